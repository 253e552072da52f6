//! Sliding window log: the time of each request in the last period.
//!
//! **Use it** where the limit must be exact in every period and is low: 5 password attempts per hour, 3 text messages
//! per minute. No other algorithm here is exact without a burst.
//!
//! **Cost**: 8 bytes for each request of the last period, per key, and a lock per key: a list cannot be changed in one
//! instruction. **Burst**: the whole count at once, and never more than the count in any period.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Algorithm, Decision};
use crate::rate::Rate;

/// Logs for one rate.
#[derive(Debug)]
pub struct SlidingLog {
    period: u64,
    limit: usize,
}

/// The requests of one key: nanoseconds since the common moment, the oldest first.
#[derive(Debug, Default)]
pub struct RequestTimes(Mutex<VecDeque<u64>>);

impl RequestTimes {
    fn lock(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlidingLog {
    /// For this rate.
    pub fn new(rate: Rate) -> Self {
        let period = u64::from(rate.period().seconds()) * 1_000_000_000;
        Self { period, limit: usize::try_from(rate.count().get()).unwrap_or(usize::MAX) }
    }

    /// The time at `now`, but not before the last request's: a thread's clock may be behind.
    fn nanos(times: &VecDeque<u64>, now: Duration) -> u64 {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        times.back().map_or(now, |last| now.max(*last))
    }

    fn forget_old(&self, times: &mut VecDeque<u64>, now: u64) {
        while times.front().is_some_and(|oldest| oldest.saturating_add(self.period) <= now) {
            times.pop_front();
        }
    }

    /// The time until only `kept` of the requests are in the last period.
    fn time_until(&self, kept: usize, times: &VecDeque<u64>, now: u64) -> Duration {
        let last_to_go = times.len().checked_sub(kept + 1).and_then(|index| times.get(index));
        Duration::from_nanos(last_to_go.map_or(0, |time| time + self.period - now))
    }

    fn remaining(&self, times: &VecDeque<u64>) -> u32 {
        u32::try_from(self.limit - times.len()).unwrap_or(u32::MAX)
    }
}

impl Algorithm for SlidingLog {
    type State = RequestTimes;

    // ANCHOR: check
    fn check(&self, state: &RequestTimes, cost: u32, now: Duration) -> Decision {
        let mut times = state.lock();
        let now = Self::nanos(&times, now);
        self.forget_old(&mut times, now);
        let cost = usize::try_from(cost).unwrap_or(usize::MAX);
        let allowed = times.len().checked_add(cost).is_some_and(|used| used <= self.limit);
        if allowed {
            self.reserve(&mut times, cost);
            times.extend(std::iter::repeat_n(now, cost));
        }
        let reset = times.len().checked_sub(1).map_or(Duration::ZERO, |fewer| self.time_until(fewer, &times, now));
        if allowed {
            return Decision::allowed(self.remaining(&times), reset);
        }
        let kept = self.limit.checked_sub(cost);
        let wait = kept.map_or(Duration::MAX, |kept| self.time_until(kept, &times, now));
        Decision::refused(self.remaining(&times), reset, wait)
    }
    // ANCHOR_END: check

    fn give_back(&self, state: &RequestTimes, cost: u32, _now: Duration) {
        let mut times = state.lock();
        let kept = times.len().saturating_sub(usize::try_from(cost).unwrap_or(usize::MAX));
        times.truncate(kept);
    }

    fn is_idle(&self, state: &RequestTimes, now: Duration) -> bool {
        let mut times = state.lock();
        let now = Self::nanos(&times, now);
        self.forget_old(&mut times, now);
        if times.is_empty() {
            // Its slot may go to a key that sends little: a slot must not keep the memory of its busiest owner.
            *times = VecDeque::new();
        }
        times.is_empty()
    }

    fn max_heap_bytes(&self) -> usize {
        self.limit * size_of::<u64>()
    }
}

impl SlidingLog {
    /// Room for `cost` more: twice as much as before, but never more than the limit, which `VecDeque` would exceed.
    fn reserve(&self, times: &mut VecDeque<u64>, cost: usize) {
        let needed = times.len() + cost;
        if needed > times.capacity() {
            let capacity = (2 * times.capacity()).clamp(needed, self.limit);
            times.reserve_exact(capacity - times.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_limit_in_any_period() {
        let log = SlidingLog::new("3/s".parse().unwrap());
        let state = RequestTimes::default();
        let at = |ms| log.check(&state, 1, Duration::from_millis(ms));
        assert!(at(0).allowed && at(600).allowed && at(900).allowed);
        let refused = at(950);
        assert_eq!((refused.remaining, refused.retry_after), (0, Duration::from_millis(50)));
        assert!(at(1_000).allowed && !at(1_599).allowed && at(1_600).allowed);
        log.give_back(&state, 1, Duration::from_millis(1_600));
        assert!(at(1_600).allowed);
        assert!(!log.is_idle(&state, Duration::from_millis(2_599)));
        assert!(log.is_idle(&state, Duration::from_millis(2_600)));
    }

    #[test]
    fn a_log_takes_no_more_memory_than_its_limit() {
        let log = SlidingLog::new("1000/h".parse().unwrap());
        let state = RequestTimes::default();
        assert_eq!((0..3_000).filter(|ms| log.check(&state, 1, Duration::from_millis(*ms)).allowed).count(), 1_000);
        let capacity = state.lock().capacity();
        assert!(capacity * size_of::<u64>() <= log.max_heap_bytes(), "{capacity}");
    }
}
