//! The laws of the algorithms, against models that remember every request: never more than the limit and the stated
//! error, never less than a client is entitled to, and figures in a decision that are true.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{num::NonZeroU32, time::Duration};

use proptest::prelude::*;
use rate_limiting::{
    algorithm::{Algorithm, Decision, FixedWindow, Gcra, GovernorGcra, SlidingLog, SlidingWindow, TokenBucket},
    rate::{Period, Quota, Rate},
};

/// A state and its algorithm, as the tests drive them.
trait Limit {
    fn check(&self, cost: u32, now: Duration) -> Decision;
    fn give_back(&self, cost: u32, now: Duration);
    fn is_idle(&self, now: Duration) -> bool;
}

struct One<A: Algorithm>(A, A::State);

impl<A: Algorithm> Limit for One<A> {
    fn check(&self, cost: u32, now: Duration) -> Decision {
        self.0.check(&self.1, cost, now)
    }

    fn give_back(&self, cost: u32, now: Duration) {
        self.0.give_back(&self.1, cost, now);
    }

    fn is_idle(&self, now: Duration) -> bool {
        self.0.is_idle(&self.1, now)
    }
}

fn one<A: Algorithm>(algorithm: A) -> Box<dyn Limit> {
    Box::new(One(algorithm, A::State::default()))
}

/// Every algorithm with its name and the most that it lets through in any time of one period.
fn all(quota: Quota) -> Vec<(&'static str, Box<dyn Limit>, u64)> {
    let (rate, count) = (quota.rate, u64::from(quota.rate.count().get()));
    let with_burst = count + u64::from(quota.burst.get());
    vec![
        ("gcra", one(Gcra::new(quota)), with_burst),
        ("token", one(TokenBucket::new(quota)), with_burst),
        // It rounds the interval down to nanoseconds: a thousandth at a million per second.
        ("governor", one(GovernorGcra::new(quota)), with_burst + count / 1_000),
        ("fixed", one(FixedWindow::new(rate)), 2 * count),
        ("sliding", one(SlidingWindow::new(rate)), 2 * count),
        ("log", one(SlidingLog::new(rate)), count),
    ]
}

/// A new one of this name.
fn one_like(name: &str, quota: Quota) -> Box<dyn Limit> {
    all(quota).into_iter().find(|(known, ..)| *known == name).unwrap().1
}

fn rate(count: u32, period: Period) -> Rate {
    Rate::new(NonZeroU32::new(count).unwrap(), period)
}

fn periods() -> impl Strategy<Value = Period> {
    prop_oneof![Just(Period::Second), Just(Period::Minute), Just(Period::Hour)]
}

/// Small ones, in which every request matters, and those at the ends of the range.
fn quotas() -> impl Strategy<Value = Quota> {
    let counts = prop_oneof![1_u32..12, 1_u32..=1_000_000, Just(1), Just(999_983), Just(1_000_000)];
    (counts, periods(), 1_u32..20).prop_map(|(count, period, burst)| {
        Quota::new(rate(count, period)).with_burst(NonZeroU32::new(burst).unwrap()).unwrap()
    })
}

/// Requests: the time since the last one, as a share of the interval between two at the rate, and a cost. Bursts at one
/// moment, a steady trickle, and pauses.
fn requests() -> impl Strategy<Value = Vec<(f64, u32)>> {
    let pause = prop_oneof![4 => Just(0.0), 4 => 0.0..2.0, 1 => 0.0..40.0];
    let cost = prop_oneof![6 => Just(1_u32), 1 => 2_u32..5, 1 => Just(0)];
    prop::collection::vec((pause, cost), 1..120)
}

/// The times of the requests.
fn schedule(quota: Quota, requests: &[(f64, u32)], begin: Duration) -> Vec<(Duration, u32)> {
    let interval = quota.rate.period().duration().as_secs_f64() / f64::from(quota.rate.count().get());
    let mut now = begin;
    let mut at = |(share, cost): &(f64, u32)| {
        now += Duration::from_secs_f64(share * interval);
        (now, *cost)
    };
    requests.iter().map(&mut at).collect()
}

proptest! {
    #[test]
    fn never_more_than_the_limit_in_any_period(quota in quotas(), requests in requests()) {
        let schedule = schedule(quota, &requests, Duration::ZERO);
        for (name, limit, most) in all(quota) {
            let allowed: Vec<_> = schedule.iter().filter(|(now, cost)| limit.check(*cost, *now).allowed).collect();
            // Any period that lets through the most begins with a request.
            for (index, (begin, _)) in allowed.iter().enumerate() {
                let within = allowed[index..].iter().take_while(|(at, _)| *at < *begin + quota.rate.period().duration());
                let sum: u64 = within.map(|(_, cost)| u64::from(*cost)).sum();
                prop_assert!(sum <= most, "{name}: {sum} in a period, {most} are the most");
            }
        }
    }

    /// The log does what its model does: counts the requests of the last period in a list of all.
    #[test]
    fn the_log_is_exact(quota in quotas(), requests in requests()) {
        let log = one(SlidingLog::new(quota.rate));
        let mut all: Vec<(Duration, u32)> = Vec::new();
        for (now, cost) in schedule(quota, &requests, Duration::ZERO) {
            let recent = all.iter().filter(|(at, _)| *at + quota.rate.period().duration() > now);
            let used: u32 = recent.map(|(_, cost)| cost).sum();
            let fits = used + cost <= quota.rate.count().get();
            prop_assert_eq!(log.check(cost, now).allowed, fits);
            if fits {
                all.push((now, cost));
            }
        }
    }

    /// The sliding window does what its model does: counts two windows in a list of all, and weighs the first.
    #[test]
    fn the_sliding_window_weighs_the_previous_one(quota in quotas(), requests in requests()) {
        let sliding = one(SlidingWindow::new(quota.rate));
        let period = quota.rate.period().duration().as_nanos();
        let mut all: Vec<(u128, u32)> = Vec::new();
        for (now, cost) in schedule(quota, &requests, Duration::ZERO) {
            let now_nanos = now.as_nanos();
            let in_window = |window: Option<u128>| -> u128 {
                all.iter().filter(|(at, _)| Some(at / period) == window).map(|(_, cost)| u128::from(*cost)).sum()
            };
            let window = now_nanos / period;
            let previous = in_window(window.checked_sub(1)) * (period - now_nanos % period) / period;
            let fits = in_window(Some(window)) + previous + u128::from(cost) <= u128::from(quota.rate.count().get());
            prop_assert_eq!(sliding.check(cost, now).allowed, fits);
            if fits {
                all.push((now_nanos, cost));
            }
        }
    }

    /// A bucket in exact fractions: tokens times the period in nanoseconds.
    #[test]
    fn gcra_is_a_token_bucket(quota in quotas(), requests in requests()) {
        let [gcra, bucket] = [one(Gcra::new(quota)), one(TokenBucket::new(quota))];
        let (count, token) = (u128::from(quota.rate.count().get()), quota.rate.period().duration().as_nanos());
        let full = u128::from(quota.burst.get()) * token;
        let (mut tokens, mut last) = (full, Duration::ZERO);
        for (now, cost) in schedule(quota, &requests, Duration::ZERO) {
            tokens = full.min(tokens + now.saturating_sub(last).as_nanos() * count);
            last = now;
            let needed = u128::from(cost) * token;
            let decision = gcra.check(cost, now);
            prop_assert_eq!(decision, bucket.check(cost, now));
            prop_assert!(!decision.allowed || needed <= tokens, "allowed {}, has {} of {}", cost, tokens, token);
            // Rounded up by a sixteenth of a nanosecond per token: 120 requests are not a whole one.
            prop_assert!(decision.allowed || tokens < needed + token, "refused {}, has {} of {}", cost, tokens, token);
            if decision.allowed {
                tokens -= needed;
            }
        }
    }

    #[test]
    fn who_waits_as_long_as_told_gets_through_and_not_earlier(quota in quotas(), requests in requests()) {
        for (name, limit, _) in all(quota) {
            for (now, cost) in schedule(quota, &requests, Duration::ZERO) {
                let decision = limit.check(cost, now);
                prop_assert_eq!(decision.allowed, decision.retry_after.is_zero(), "{}", name);
                prop_assert!(decision.allowed || cost != 1 || decision.reset == decision.retry_after, "{name}");
                if decision.allowed || decision.retry_after == Duration::MAX {
                    continue;
                }
                let early = decision.retry_after.saturating_sub(Duration::from_nanos(2));
                prop_assert!(!limit.check(cost, now + early).allowed, "{name}: earlier than told");
                let then = now + decision.retry_after;
                prop_assert!(limit.check(cost, then).allowed, "{name}: {:?} was too early", decision);
                limit.give_back(cost, then);
                break; // the clock must not go back
            }
        }
    }

    #[test]
    fn what_remains_would_pass_and_no_more(quota in quotas(), requests in requests()) {
        for (name, limit, _) in all(quota) {
            for (now, cost) in schedule(quota, &requests, Duration::ZERO) {
                let decision = limit.check(cost, now);
                let remaining = decision.remaining;
                prop_assert!(!limit.check(remaining + 1, now).allowed, "{name}: more than {decision:?}");
                prop_assert!(limit.check(remaining, now).allowed, "{name}: {decision:?}");
                limit.give_back(remaining, now);
                prop_assert_eq!(limit.check(0, now).remaining, remaining, "{}: what was given back is there", name);
            }
        }
    }

    #[test]
    fn what_remains_grows_after_the_reset_time_and_not_earlier(quota in quotas(), requests in requests()) {
        for (name, limit, _) in all(quota) {
            let mut last = Duration::ZERO;
            let mut decision = limit.check(0, Duration::ZERO);
            for (now, cost) in schedule(quota, &requests, Duration::ZERO) {
                decision = limit.check(cost, now);
                last = now;
            }
            if decision.reset.is_zero() {
                prop_assert!(limit.is_idle(last), "{}: full, but not idle: {:?}", name, decision);
                continue;
            }
            let early = limit.check(0, last + decision.reset.saturating_sub(Duration::from_nanos(2)));
            prop_assert!(early.remaining <= decision.remaining, "{name}: {decision:?} {early:?}");
            let then = limit.check(0, last + decision.reset);
            prop_assert!(then.remaining > decision.remaining, "{name}: {decision:?} {then:?}");
        }
    }

    /// A key that has become idle may be forgotten: its state decides as a new one does.
    #[test]
    fn an_idle_state_decides_as_a_new_one(quota in quotas(), requests in requests(), later in requests()) {
        for ((name, limit, _), (_, fresh, _)) in all(quota).into_iter().zip(all(quota)) {
            let before = schedule(quota, &requests, Duration::ZERO);
            for (now, cost) in &before {
                let decision = limit.check(*cost, *now);
                prop_assert_eq!(limit.is_idle(*now), decision.reset.is_zero(), "{}: {:?}", name, decision);
                if limit.is_idle(*now) {
                    let like_new = one_like(name, quota).check(0, *now);
                    prop_assert_eq!(limit.check(0, *now), like_new, "{}", name);
                }
            }
            let idle_at = before.last().unwrap().0 + 2 * quota.rate.period().duration()
                + quota.rate.period().duration() * quota.burst.get() / quota.rate.count().get();
            prop_assert!(limit.is_idle(idle_at), "{name}");
            for (now, cost) in schedule(quota, &later, idle_at) {
                prop_assert_eq!(limit.check(cost, now), fresh.check(cost, now), "{}", name);
            }
        }
    }
}

#[test]
fn a_clock_that_stands_still_gives_the_burst_and_no_more() {
    let quota = Quota::new(rate(7, Period::Minute)).with_burst(NonZeroU32::new(4).unwrap()).unwrap();
    for (name, limit, _) in all(quota) {
        let allowed = (0..1_000).filter(|_| limit.check(1, Duration::ZERO).allowed).count();
        assert_eq!(allowed, if ["fixed", "sliding", "log"].contains(&name) { 7 } else { 4 }, "{name}");
    }
}

/// From one per hour to a million per second: nothing is rounded to nothing, or to something else.
#[test]
fn a_client_that_waits_as_told_gets_its_rate() {
    for (count, period) in [
        (1, Period::Hour),
        (7, Period::Hour),
        (10, Period::Minute),
        (999_983, Period::Second),
        (1_000_000, Period::Second),
    ] {
        let quota = Quota::new(rate(count, period)).with_burst(NonZeroU32::MIN).unwrap();
        for (name, limit, _) in all(quota) {
            // Three periods, or the requests of a tenth of a second.
            let end = if count > 1_000 { Duration::from_millis(100) } else { 3 * period.duration() };
            let (mut now, mut allowed) = (Duration::ZERO, 0_u32);
            while now < end {
                let decision = limit.check(1, now);
                allowed += u32::from(decision.allowed);
                now += decision.retry_after.max(Duration::from_nanos(50));
            }
            let seconds = end.as_secs_f64();
            let fair = f64::from(count) * seconds / period.duration().as_secs_f64();
            // Windows give the whole count at the start of each.
            let most =
                if ["gcra", "token", "governor"].contains(&name) { fair * 1.001 + 1.0 } else { f64::from(count) * 4.0 };
            let least = fair * 0.999 - 1.0;
            assert!((least..=most).contains(&f64::from(allowed)), "{name} {count}/{period:?}: {allowed}, fair {fair}");
        }
    }
}
