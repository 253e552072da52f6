//! How long to wait before a retry.
//!
//! Clients that failed together and wait for the same time fail together again. So each waits for a random time
//! between nothing and a bound that doubles with each attempt: "full jitter" (Marc Brooker, *Exponential Backoff and
//! Jitter*, AWS Architecture Blog, 2015), which finishes the work soonest with the fewest calls.

use std::time::Duration;

/// The bounds of the waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The bound before the first retry.
    pub base_interval: Duration,
    /// No bound is larger than this.
    pub max_interval: Duration,
}

impl Default for Backoff {
    /// 25 ms, 50 ms, 100 ms, 200 ms, and 250 ms from then on: Envoy's.
    fn default() -> Self {
        Self { base_interval: Duration::from_millis(25), max_interval: Duration::from_millis(250) }
    }
}

impl Backoff {
    /// How long to wait before retry number `retry` (from 0); `random` is any number, each as likely as the others.
    pub fn delay(&self, retry: u32, random: u64) -> Duration {
        let bound = self.base_interval.saturating_mul(1 << retry.min(20)).min(self.max_interval);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        // The high half of the product is uniform in 0..=nanos, where a remainder would favour small numbers.
        let share = (u128::from(random) * (u128::from(nanos) + 1)) >> 64;
        Duration::from_nanos(u64::try_from(share).unwrap_or(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_and_ends() {
        let backoff = Backoff::default();
        let longest: Vec<_> = (0..6).map(|retry| backoff.delay(retry, u64::MAX).as_millis()).collect();
        assert_eq!(longest, [25, 50, 100, 200, 250, 250]);
        assert_eq!(backoff.delay(u32::MAX, u64::MAX).as_millis(), 250);
        assert_eq!(backoff.delay(3, 0), Duration::ZERO);
    }

    #[test]
    fn every_wait_within_the_bound_is_as_likely() {
        let backoff = Backoff::default();
        let waits = (0..1_000u64).map(|step| backoff.delay(0, step * (u64::MAX / 1_000)).as_micros());
        let mean = waits.sum::<u128>() / 1_000;
        assert!((12_000..13_000).contains(&mean), "{mean} µs");
    }
}
