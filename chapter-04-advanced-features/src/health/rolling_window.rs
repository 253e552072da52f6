//! A rolling window: how many recent requests there were, and how many of them failed.
//!
//! When you need it: a failure rate must forget old requests, and forgetting exactly would need each request's time. So
//! the window is divided into ten buckets, and the oldest is dropped whole: it covers between nine and ten tenths. No
//! timer clears buckets: each is tagged with the number of the tenth that it counts, and the first writer that finds it
//! stale resets it. What it costs: a load and one atomic addition per request, no lock. Used by
//! [`breaker`](super::breaker).

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::epoch::millis;

const BUCKETS: u64 = 10;
/// A bucket is one word, so that it is reset in one step: 20 bits for its tag, the number of its tenth, 22 for the
/// failures, 22 for all requests: four million in a tenth of the window.
const COUNT_BITS: u32 = 22;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const TAG_BITS: u32 = 64 - 2 * COUNT_BITS;

/// The recent requests of a group. On its own cache line: every request on every core writes it.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct RollingWindow {
    buckets: [AtomicU64; 10],
    millis_per_bucket: u64,
}

impl RollingWindow {
    pub(crate) fn new(length: Duration) -> Self {
        Self { buckets: Default::default(), millis_per_bucket: (millis(length) / BUCKETS).max(1) }
    }

    /// Records a request that ended at `at`, in milliseconds.
    pub(crate) fn record(&self, failed: bool, at: u64) {
        let bucket_number = at / self.millis_per_bucket;
        let bucket = &self.buckets[Self::bucket_index(bucket_number)];
        let word = bucket.load(Relaxed);
        if Self::stored_tag(word) != Self::tag_for(bucket_number) {
            // If this race is lost, another thread has reset the bucket.
            let _ = bucket.compare_exchange(word, Self::tag_for(bucket_number) << (2 * COUNT_BITS), Relaxed, Relaxed);
        } else if word & COUNT_MASK == COUNT_MASK {
            return; // full: the ratio of the first four million is enough
        }
        bucket.fetch_add(1 | u64::from(failed) << COUNT_BITS, Relaxed);
    }

    /// The failures and all requests of the window that ends at `at`.
    pub(crate) fn totals(&self, at: u64) -> (u64, u64) {
        let last = at / self.millis_per_bucket;
        (last.saturating_sub(BUCKETS - 1)..=last).fold((0, 0), |(failed, total), bucket_number| {
            let word = self.buckets[Self::bucket_index(bucket_number)].load(Relaxed);
            if Self::stored_tag(word) != Self::tag_for(bucket_number) {
                return (failed, total);
            }
            (failed + (word >> COUNT_BITS & COUNT_MASK), total + (word & COUNT_MASK))
        })
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Relaxed);
        }
    }

    fn bucket_index(bucket_number: u64) -> usize {
        usize::try_from(bucket_number % BUCKETS).expect("below ten")
    }

    fn stored_tag(word: u64) -> u64 {
        word >> (2 * COUNT_BITS)
    }

    /// The tag of a tenth: its low bits, which repeat after a million tenths (12 days for tenths of a second each).
    fn tag_for(bucket_number: u64) -> u64 {
        bucket_number & ((1 << TAG_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> RollingWindow {
        RollingWindow::new(Duration::from_secs(10))
    }

    #[test]
    fn counts_the_last_ten_tenths() {
        let window = window();
        for second in 0..30 {
            window.record(second % 2 == 0, second * 1_000);
            let seen = (second + 1).min(10);
            assert_eq!(window.totals(second * 1_000), (seen.div_ceil(2), seen), "second {second}");
        }
        assert_eq!(window.totals(38_999), (0, 1), "the last one only");
        assert_eq!(window.totals(39_000), (0, 0));
        window.record(true, 39_000);
        window.clear();
        assert_eq!(window.totals(39_000), (0, 0));
    }

    #[test]
    fn a_full_bucket_does_not_overflow() {
        let window = window();
        window.buckets[0].store(COUNT_MASK - 1, Relaxed);
        for _ in 0..10 {
            window.record(true, 1);
        }
        assert_eq!(window.totals(1), (1, COUNT_MASK));
    }

    #[test]
    fn no_request_is_lost_between_threads() {
        let window = window();
        let half = || (1..=20_000).for_each(|millis| window.record(millis % 4 == 0, millis / 4));
        std::thread::scope(|scope| {
            scope.spawn(half);
            half();
        });
        let (failed, total) = window.totals(5_000);
        assert_eq!((failed, total), (10_000, 40_000));
    }
}
