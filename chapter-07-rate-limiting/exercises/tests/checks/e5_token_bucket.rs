//! The checks of exercise 7.5.

use std::{
    num::NonZeroU32,
    sync::atomic::{
        AtomicU32,
        Ordering::{Relaxed, SeqCst},
    },
    thread,
    time::Duration,
};

use common::clock;
use integration_tests::{rng::Rng, wait::ms};
use rate_limiting::{
    algorithm::{Algorithm, Decision},
    rate::{Quota, Rate},
};

use crate::exercise_checks;

type New<A> = fn(Quota) -> A;

exercise_checks!(
    exercises_07,
    e5_token_bucket::bucket,
    [
        a_full_bucket_gives_its_burst_and_no_more,
        tokens_arrive_evenly,
        an_hour_saves_up_no_more_than_the_burst,
        a_refused_request_takes_nothing,
        a_cost_takes_so_many_tokens_or_none,
        a_client_is_told_when_to_come_back,
        what_is_told_is_true,
        what_is_given_back_can_be_taken_again,
        only_a_full_bucket_is_idle,
        no_rate_is_rounded_away,
        random_requests_agree_with_an_exact_bucket,
        a_clock_that_is_behind_lets_nothing_more_through,
        four_threads_take_no_token_twice,
        four_threads_never_hold_more_than_the_burst,
        a_state_takes_eight_bytes,
    ],
    suites ["rate_limit"] of "chapter-07-rate-limiting" with "your_bucket_lb" or "solution_bucket_lb"
);

const THREADS: u32 = 4;

/// Thousands of tokens that each thread takes and gives back: about a second of computing.
const ROUNDS: usize = 12_000;

/// How long the threads compete.
const COMPETING: Duration = Duration::from_secs(1);

fn quota(rate: &str, burst: u32) -> Quota {
    let rate: Rate = rate.parse().expect("a rate");
    Quota::new(rate).with_burst(NonZeroU32::new(burst).expect("not zero")).expect("it fills within a year")
}

/// One bucket.
struct Setup<A: Algorithm> {
    algorithm: A,
    state: A::State,
}

impl<A: Algorithm> Setup<A> {
    fn new(new: New<A>, rate: &str, burst: u32) -> Self {
        Self { algorithm: new(quota(rate, burst)), state: A::State::default() }
    }

    fn check(&self, cost: u32, after: Duration) -> Decision {
        self.algorithm.check(&self.state, cost, after)
    }

    fn passes(&self, cost: u32, after: Duration) -> bool {
        self.check(cost, after).allowed
    }

    /// How many of so many requests pass.
    fn passed(&self, count: usize, after: Duration) -> usize {
        (0..count).filter(|_| self.passes(1, after)).count()
    }

    fn give_back(&self, cost: u32, after: Duration) {
        self.algorithm.give_back(&self.state, cost, after);
    }

    fn is_idle(&self, after: Duration) -> bool {
        self.algorithm.is_idle(&self.state, after)
    }
}

fn a_full_bucket_gives_its_burst_and_no_more<A: Algorithm>(new: New<A>) {
    for (rate, burst) in [("10/s", 1), ("10/s", 3), ("1/h", 500), ("1000000/s", 7)] {
        let setup = Setup::new(new, rate, burst);
        assert_eq!(setup.passed(1_000, Duration::ZERO), burst as usize, "{rate}, at once, burst {burst}");
    }
}

fn tokens_arrive_evenly<A: Algorithm>(new: New<A>) {
    let setup = Setup::new(new, "10/s", 3);
    assert_eq!(setup.passed(9, ms(5_050)), 3, "the burst of 3, at 5.05 s");
    for (at, expected) in [(5_149, 0), (5_150, 1), (5_249, 0), (5_350, 2), (5_449, 0), (5_450, 1), (5_650, 2)] {
        assert_eq!(setup.passed(9, ms(at)), expected, "at {at} ms, ten per second");
    }
    let setup = Setup::new(new, "10/m", 1);
    setup.passed(9, Duration::ZERO);
    for (seconds, expected) in [(5, 0), (6, 1), (11, 0), (12, 1), (60, 1)] {
        assert_eq!(setup.passed(9, Duration::from_secs(seconds)), expected, "after {seconds} s, ten per minute");
    }
}

fn an_hour_saves_up_no_more_than_the_burst<A: Algorithm>(new: New<A>) {
    let setup = Setup::new(new, "100/s", 20);
    for hour in 1..4 {
        let at = Duration::from_hours(hour);
        assert_eq!(setup.passed(1_000, at), 20, "after hour {hour}");
        assert_eq!(setup.passed(1_000, at + ms(50)), 5, "50 ms later");
    }
}

/// The original let such a client through 20 times per second, or never again.
fn a_refused_request_takes_nothing<A: Algorithm>(new: New<A>) {
    let setup = Setup::new(new, "100/s", 20);
    let passed = (0..5_000).filter(|at| setup.passes(1, ms(*at))).count();
    assert_eq!(passed, 519, "of a client that tries each millisecond for five seconds");
    let setup = Setup::new(new, "1/s", 4);
    assert!(setup.passes(3, Duration::ZERO), "three of four");
    assert_eq!(setup.passed(9, ms(0)), 1, "and the fourth");
    assert!((0..1_000).all(|at| !setup.passes(2, ms(at))), "two, of less than one");
    assert!(setup.passes(1, ms(1_000)), "one, after a second");
}

fn a_cost_takes_so_many_tokens_or_none<A: Algorithm>(new: New<A>) {
    let setup = Setup::new(new, "1/h", 10);
    let at_once = |cost| (setup.check(cost, Duration::ZERO).allowed, setup.check(0, Duration::ZERO).remaining);
    let steps = [(0, true, 10), (4, true, 6), (7, false, 6), (6, true, 0), (1, false, 0), (0, true, 0)];
    for (cost, allowed, remaining) in steps {
        assert_eq!(at_once(cost), (allowed, remaining), "a cost of {cost}: whether it passes, and what remains");
    }
    for cost in [11, 1_000_000, u32::MAX] {
        let setup = Setup::new(new, "1/h", 10);
        let decision = setup.check(cost, Duration::ZERO);
        let expected = Decision { allowed: false, remaining: 10, reset: Duration::ZERO, retry_after: Duration::MAX };
        assert_eq!(decision, expected, "a cost of {cost}, of a burst of 10");
    }
}

fn a_client_is_told_when_to_come_back<A: Algorithm>(new: New<A>) {
    let setup = Setup::new(new, "10/s", 3);
    let told = |remaining, reset, retry_after: Option<u64>| Decision {
        allowed: retry_after.is_none(),
        remaining,
        reset: ms(reset),
        retry_after: ms(retry_after.unwrap_or(0)),
    };
    for (at, cost, expected) in [
        (0, 0, told(3, 0, None)),
        (0, 1, told(2, 100, None)),
        (30, 1, told(1, 70, None)),
        (40, 2, told(1, 60, Some(60))),
        (40, 3, told(1, 60, Some(160))),
        (60, 1, told(0, 40, None)),
        (60, 1, told(0, 40, Some(40))),
        (400, 0, told(3, 0, None)),
    ] {
        assert_eq!(setup.check(cost, ms(at)), expected, "at {at} ms, a cost of {cost}; 10/s,burst=3");
    }
}

const RATES: [&str; 8] = ["1/h", "7/h", "10/m", "3/s", "1000/s", "700001/s", "999983/s", "1000000/s"];

/// A pause, in nanoseconds: often none, sometimes longer than a bucket takes to fill.
fn pause(random: &mut Rng, quota: Quota) -> Duration {
    let interval = quota.rate.period().duration() / quota.rate.count().get();
    match random.below(9) {
        0..=2 => Duration::ZERO,
        3..=7 => interval * u32::try_from(random.below(2_000)).expect("it is small") / 1_000,
        _ => interval * u32::try_from(random.below(40)).expect("it is small"),
    }
}

fn what_is_told_is_true<A: Algorithm>(new: New<A>) {
    const NEARLY: Duration = Duration::from_nanos(2);
    let mut random = Rng::new(7_5);
    for round in 0..800 {
        let (rate, burst) = (*random.pick(&RATES), 1 + u32::try_from(random.below(9)).expect("it is small"));
        let (setup, mut at) = (Setup::new(new, rate, burst), Duration::ZERO);
        for _ in 0..25 {
            at += pause(&mut random, quota(rate, burst));
            let cost = u32::try_from(random.below(3)).expect("it is small");
            let told = setup.check(cost, at);
            let context = format!("round {round}, {rate},burst={burst}, after {at:?} a cost of {cost}: {told:?}");
            assert_eq!(told.allowed, told.retry_after.is_zero(), "{context}");
            assert_eq!(told.reset.is_zero(), told.remaining == burst, "{context}: zero if the bucket is full");
            if cost > burst {
                assert_eq!(told.retry_after, Duration::MAX, "{context}");
            } else if told.retry_after > NEARLY {
                let early = setup.check(0, at + told.retry_after.saturating_sub(NEARLY)).remaining;
                assert!(early < cost, "{context}: {early} two nanoseconds earlier than that");
                at += told.retry_after;
                assert!(setup.passes(cost, at), "{context}: but it does not pass then");
            } else if told.reset > NEARLY {
                let early = setup.check(0, at + told.reset.saturating_sub(NEARLY)).remaining;
                assert_eq!(early, told.remaining, "{context}: remaining, two nanoseconds earlier than that");
                at += told.reset;
                assert_eq!(setup.check(0, at).remaining, told.remaining + 1, "{context}: remaining then");
            }
        }
    }
}

fn what_is_given_back_can_be_taken_again<A: Algorithm>(new: New<A>) {
    let setup = Setup::new(new, "1/h", 5);
    assert_eq!(setup.passed(9, Duration::ZERO), 5, "the burst");
    setup.give_back(2, Duration::ZERO);
    assert_eq!(setup.passed(9, Duration::ZERO), 2, "two were given back");
    setup.give_back(1, ms(3));
    setup.give_back(1, ms(3));
    assert!(!setup.passes(3, ms(3)) && setup.passes(2, ms(3)), "one and one were given back");
    setup.give_back(50, ms(4));
    assert_eq!(setup.passed(99, ms(4)), 5, "no more than fit into the bucket");
    let later = Duration::from_hours(9);
    setup.give_back(1, later);
    assert_eq!(setup.passed(99, later), 5, "one that was given back to a full bucket");
}

fn only_a_full_bucket_is_idle<A: Algorithm>(new: New<A>) {
    let setup = Setup::new(new, "10/s", 3);
    assert!(setup.is_idle(Duration::ZERO) && setup.is_idle(Duration::from_hours(1)), "a bucket never used");
    setup.passed(3, Duration::from_secs(5));
    for (at, expected) in [(5_000, false), (5_100, false), (5_299, false), (5_300, true), (9_000, true)] {
        assert_eq!(setup.is_idle(ms(at)), expected, "at {at} ms: ten per second, and three taken at 5,000 ms");
    }
    setup.passed(1, ms(9_000));
    assert!(!setup.is_idle(ms(9_099)), "one is missing");
    setup.give_back(1, ms(9_099));
    assert!(setup.is_idle(ms(9_099)), "it was given back");
}

fn no_rate_is_rounded_away<A: Algorithm>(new: New<A>) {
    for rate in RATES {
        let (setup, quota) = (Setup::new(new, rate, 10), quota(rate, 10));
        let (count, period) = (u128::from(quota.rate.count().get()), quota.rate.period().duration().as_nanos());
        // Four tries for each token.
        let step = period / count / 4;
        let tries: u128 = if count > 10_000 { 400_000 } else { 8_000 };
        let at = |number: u128| Duration::from_nanos(u64::try_from(number * step).expect("a few months"));
        let passed: u128 = (0..=tries).map(|number| u128::from(setup.passes(1, at(number)))).sum();
        let most = 10 + tries * step * count / period;
        let least = most - most / 10_000 - 1;
        assert!((least..=most).contains(&passed), "{rate}: {passed} pass, an exact bucket has {most}");
    }
}

fn random_requests_agree_with_an_exact_bucket<A: Algorithm>(new: New<A>) {
    for seed in 0..800 {
        let mut random = Rng::new(seed);
        let (rate, burst) = (*random.pick(&RATES), 1 + u32::try_from(random.below(20)).expect("it is small"));
        let (setup, quota) = (Setup::new(new, rate, burst), quota(rate, burst));
        // An exact bucket counts in parts of a token, as many as the period has nanoseconds.
        let (count, token) = (u128::from(quota.rate.count().get()), quota.rate.period().duration().as_nanos());
        let full = u128::from(burst) * token;
        let (mut tokens, mut at) = (full, Duration::ZERO);
        for _ in 0..100 {
            let pause = pause(&mut random, quota);
            at += pause;
            tokens = full.min(tokens + pause.as_nanos() * count);
            let cost = u32::try_from(random.below(4)).expect("it is small");
            let needed = u128::from(cost) * token;
            let allowed = setup.passes(cost, at);
            let context = format!("seed {seed}, {rate},burst={burst}, after {at:?}: a cost of {cost}");
            let thousandths = tokens * 1_000 / token;
            assert!(!allowed || needed <= tokens, "{context} passes, an exact bucket has {thousandths}/1000");
            // Four hundred tokens, and a ten-thousandth of each.
            assert!(
                allowed || tokens < needed + token / 20,
                "{context} is refused, an exact one has {thousandths}/1000"
            );
            if allowed {
                tokens -= needed;
            }
        }
    }
}

fn a_clock_that_is_behind_lets_nothing_more_through<A: Algorithm>(new: New<A>) {
    let setup = Setup::new(new, "10/s", 3);
    assert_eq!(setup.passed(9, ms(5_000)), 3, "the burst");
    for at in [4_999, 4_000, 0, 4_999] {
        assert!(!setup.passes(1, ms(at)), "at {at} ms, after the burst was taken at 5,000 ms");
    }
    assert_eq!(setup.passed(9, ms(5_100)), 1, "ten per second, 100 ms after the burst");
}

/// A second is long enough for a thread to be interrupted at any place, also on a busy machine.
fn four_threads_take_no_token_twice<A: Algorithm>(new: New<A>) {
    const BURST: u32 = 4_000_000_000;
    let setup = Setup::new(new, "1000000/s", BURST);
    let taken = AtomicU32::new(0);
    let end = clock::now() + COMPETING;
    let take = || {
        while clock::now() < end {
            let passed = setup.passed(1_000, Duration::ZERO);
            taken.fetch_add(u32::try_from(passed).expect("at most 1,000"), SeqCst);
        }
    };
    thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(take))));
    let (taken, left) = (taken.into_inner(), setup.check(0, Duration::ZERO).remaining);
    assert_eq!(u64::from(taken) + u64::from(left), u64::from(BURST), "taken ({taken}) and left, of {BURST}");
}

/// Each thread takes a token and gives it back, so all compete for the last one all the time. An answer that looks first
/// and takes then lets one too many have it if a thread is interrupted in between, while another holds the token. That
/// happens some times in a second of computing, so the threads compute for a number of rounds and not for a time: beside
/// other programs, which get the processor meanwhile, a time would be too short.
fn four_threads_never_hold_more_than_the_burst<A: Algorithm>(new: New<A>) {
    for burst in [1, 2] {
        let setup = Setup::new(new, "1/h", burst);
        let (held, most) = (AtomicU32::new(0), AtomicU32::new(0));
        let compete = || {
            for _ in 0..ROUNDS {
                if most.load(Relaxed) > burst {
                    break;
                }
                for _ in 0..1_000 {
                    if setup.passes(1, Duration::ZERO) {
                        let now_held = held.fetch_add(1, Relaxed) + 1;
                        if now_held > most.load(Relaxed) {
                            most.fetch_max(now_held, Relaxed);
                        }
                        held.fetch_sub(1, Relaxed);
                        setup.give_back(1, Duration::ZERO);
                    }
                }
            }
        };
        thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(compete))));
        assert_eq!(most.into_inner(), burst, "tokens that were held at a time; {burst} in the bucket");
        let left = setup.check(0, Duration::ZERO).remaining;
        assert_eq!(left, burst, "tokens in the bucket when all were given back");
    }
}

fn a_state_takes_eight_bytes<A: Algorithm>(new: New<A>) {
    let algorithm = new(quota("10/s", 3));
    let bytes = size_of::<A::State>() + algorithm.max_heap_bytes();
    assert!(bytes <= 8, "a state takes {bytes} bytes");
}
