//! GCRA, the generic cell rate algorithm (ITU-T I.371, 1993): one word per key.
//!
//! **Use it** unless you have a reason not to. The word is the *theoretical arrival time*: when the next request would
//! arrive if all so far had come evenly spaced. A request that comes later than that resets it to now; one that comes
//! earlier is allowed as long as it is early by no more than the burst covers. Then the time moves on by one interval.
//! `redis-cell` and Go's `throttled` implement it; nginx's `limit_req` is the same algorithm, written as a leaky bucket.
//!
//! **Cost**: one atomic load and one compare-and-exchange. **Burst**: up to `burst` at once, so at most rate + burst in
//! any period. A refused request takes nothing: a client that keeps trying still gets its rate.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{Algorithm, Decision};
use crate::{rate::Quota, ticks::Ticks};

/// GCRA for one quota.
#[derive(Debug)]
pub struct Gcra {
    interval: u64,
    burst: u32,
    /// The time that the burst covers.
    tolerance: u64,
}

impl Gcra {
    /// For this quota.
    pub fn new(quota: Quota) -> Self {
        let (interval, burst) = (interval_ticks(quota), quota.burst.get());
        Self { interval, burst, tolerance: interval.saturating_mul(burst.into()) }
    }

    // ANCHOR: decide
    /// The new arrival time, or how much too early the request is.
    fn arrive(&self, arrival_time: u64, cost: u32, now: u64) -> Result<u64, u64> {
        let next = arrival_time.max(now).saturating_add(self.interval.saturating_mul(cost.into()));
        let latest = now.saturating_add(self.tolerance);
        if next <= latest { Ok(next) } else { Err(next - latest) }
    }
    // ANCHOR_END: decide

    /// How much would pass, and the time until more would.
    fn remaining(&self, arrival_time: u64, now: u64) -> (u32, u64) {
        let owed = arrival_time.saturating_sub(now);
        let available = self.tolerance.saturating_sub(owed);
        let remaining = u32::try_from(available / self.interval).unwrap_or(u32::MAX);
        let until_more = if owed == 0 { 0 } else { self.interval - available % self.interval };
        (remaining, until_more)
    }

    #[cold]
    fn refused(&self, arrival_time: u64, cost: u32, now: u64, early: u64) -> Decision {
        let (remaining, reset) = self.remaining(arrival_time, now);
        let wait = if cost > self.burst { Duration::MAX } else { Ticks(early).to_duration() };
        Decision::refused(remaining, Ticks(reset).to_duration(), wait)
    }
}

/// The time between two requests at the rate, rounded up so that the limit holds.
pub(super) fn interval_ticks(quota: Quota) -> u64 {
    Ticks::from(quota.rate.period().duration()).0.div_ceil(quota.rate.count().get().into())
}

impl Algorithm for Gcra {
    type State = AtomicU64;

    #[inline]
    fn check(&self, state: &AtomicU64, cost: u32, now: Duration) -> Decision {
        let now = Ticks::from(now).0;
        // Relaxed: nothing else is published with the word.
        let mut arrival_time = state.load(Relaxed);
        loop {
            let next = match self.arrive(arrival_time, cost, now) {
                Ok(next) => next,
                Err(early) => return self.refused(arrival_time, cost, now, early),
            };
            match state.compare_exchange_weak(arrival_time, next, Relaxed, Relaxed) {
                Ok(_) => {
                    let (remaining, reset) = self.remaining(next, now);
                    return Decision::allowed(remaining, Ticks(reset).to_duration());
                }
                Err(moved) => arrival_time = moved,
            }
        }
    }

    fn give_back(&self, state: &AtomicU64, cost: u32, _now: Duration) {
        // Also where it has become idle meanwhile: an arrival time in the past is as good as any other.
        let taken = self.interval.saturating_mul(cost.into());
        let _ = state.fetch_update(Relaxed, Relaxed, |arrival_time| Some(arrival_time.saturating_sub(taken)));
    }

    fn is_idle(&self, state: &AtomicU64, now: Duration) -> bool {
        state.load(Relaxed) <= Ticks::from(now).0
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn gcra(rate: &str, burst: u32) -> Gcra {
        let quota = Quota::new(rate.parse().unwrap()).with_burst(NonZeroU32::new(burst).unwrap()).unwrap();
        Gcra::new(quota)
    }

    #[test]
    fn a_burst_passes_at_once_and_then_one_per_interval() {
        let gcra = gcra("10/s", 3);
        let state = AtomicU64::default();
        let at = |ms| gcra.check(&state, 1, Duration::from_millis(ms));
        assert_eq!([at(0), at(0), at(0)].map(|decision| decision.remaining), [2, 1, 0]);
        let refused = at(40);
        assert!(!refused.allowed);
        assert_eq!((refused.remaining, refused.retry_after), (0, Duration::from_millis(60)));
        assert!(at(100).allowed && !at(199).allowed && at(200).allowed);
        // Idle for long: the whole burst again, and no more.
        assert_eq!((0..5).filter(|_| at(60_000).allowed).count(), 3);
    }

    #[test]
    fn a_client_that_keeps_trying_gets_its_rate() {
        let gcra = gcra("100/s", 20);
        let state = AtomicU64::default();
        let tries = (0..5_000).map(|ms| gcra.check(&state, 1, Duration::from_millis(ms)).allowed);
        let allowed = tries.filter(|allowed| *allowed).count();
        assert!((518..=520).contains(&allowed), "{allowed}");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let gcra = gcra("1/h", 2);
        let state = AtomicU64::default();
        assert!(gcra.check(&state, 2, Duration::ZERO).allowed && !gcra.is_idle(&state, Duration::ZERO));
        gcra.give_back(&state, 1, Duration::ZERO);
        assert!(!gcra.check(&state, 2, Duration::ZERO).allowed && gcra.check(&state, 1, Duration::ZERO).allowed);
        gcra.give_back(&state, 2, Duration::ZERO);
        assert!(gcra.is_idle(&state, Duration::ZERO));
    }

    #[test]
    fn a_cost_beyond_the_burst_never_passes() {
        let gcra = gcra("10/s", 3);
        let decision = gcra.check(&AtomicU64::default(), 4, Duration::ZERO);
        assert_eq!((decision.allowed, decision.remaining, decision.retry_after), (false, 3, Duration::MAX));
    }
}
