//! Exponential back-off with full jitter: how long to wait before a retry.
//!
//! Clients that fail together and wait for the same time retry together and fail again. So each waits for a random time
//! between zero and a bound that doubles with each attempt: "full jitter" (Marc Brooker, *Exponential Backoff and
//! Jitter*, AWS Architecture Blog, 2015), which finishes the work soonest with the fewest calls.

use std::time::Duration;

/// The bounds of the back-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The bound before the first retry.
    pub base_interval: Duration,
    /// No bound is larger than this.
    pub max_interval: Duration,
}

impl Default for Backoff {
    /// Envoy's defaults: 25 ms, 50 ms, 100 ms, 200 ms, and 250 ms from then on.
    fn default() -> Self {
        Self { base_interval: Duration::from_millis(25), max_interval: Duration::from_millis(250) }
    }
}

impl Backoff {
    /// How long to wait before retry number `retry` (from 0); `random` is a uniformly distributed number.
    pub fn delay(&self, retry: u32, random: u64) -> Duration {
        let bound = self.base_interval.saturating_mul(1 << retry.min(20)).min(self.max_interval);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        // The high half of the product is uniform in 0..=nanos; a remainder would favour small numbers.
        let share = (u128::from(random) * (u128::from(nanos) + 1)) >> 64;
        Duration::from_nanos(u64::try_from(share).unwrap_or(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_doubles_up_to_the_maximum() {
        let backoff = Backoff::default();
        let longest: Vec<_> = (0..6).map(|retry| backoff.delay(retry, u64::MAX).as_millis()).collect();
        assert_eq!(longest, [25, 50, 100, 200, 250, 250]);
        assert_eq!(backoff.delay(u32::MAX, u64::MAX).as_millis(), 250);
        assert_eq!(backoff.delay(3, 0), Duration::ZERO);
    }

    #[test]
    fn jitter_is_uniform_within_the_bound() {
        let backoff = Backoff::default();
        let waits = (0..1_000u64).map(|step| backoff.delay(0, step * (u64::MAX / 1_000)).as_micros());
        let mean = waits.sum::<u128>() / 1_000;
        assert!((12_000..13_000).contains(&mean), "{mean} µs");
    }
}
