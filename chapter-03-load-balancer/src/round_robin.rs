//! Round robin: each backend gets every n-th request.
//!
//! Use it when the backends are alike and requests cost about the same; chapter 4 has policies for other cases. One
//! counter for the whole process makes the distribution exact with any number of threads: of nine requests, each of
//! three backends gets three.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::pick::Pick;

/// The round-robin policy: one shared counter.
#[derive(Debug, Default)]
pub struct RoundRobin {
    counter: AtomicUsize,
}

impl RoundRobin {
    /// Picks one of the `count` slots for which `usable` returns true, each equally often.
    ///
    /// The counter selects among the *usable* slots. Selecting among all and moving on from an unusable slot would
    /// give the neighbour of each dead backend a double share.
    // ANCHOR: pick
    pub fn pick(&self, count: usize, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let usable_count = (0..count).filter(|slot| usable(*slot)).count();
        if usable_count == 0 {
            return None;
        }
        // Relaxed is enough: picks need distinct numbers, not an order between them.
        let offset = self.counter.fetch_add(1, Relaxed) % usable_count;
        // A slot may have become unusable since it was counted: then the first usable one is picked.
        let mut usable_slots = (0..count).filter(|slot| usable(*slot));
        usable_slots.nth(offset).or_else(|| (0..count).find(|slot| usable(*slot)))
    }
    // ANCHOR_END: pick
}

impl Pick for RoundRobin {
    fn pick(&self, backends: usize, is_usable: &dyn Fn(usize) -> bool) -> Option<usize> {
        Self::pick(self, backends, is_usable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(usable: &[bool], times: usize) -> Vec<usize> {
        let round_robin = RoundRobin::default();
        (0..times).filter_map(|_| round_robin.pick(usable.len(), |slot| usable[slot])).collect()
    }

    #[test]
    fn rotates_over_all_backends() {
        assert_eq!(picks(&[true, true, true], 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn splits_share_of_unusable_backend_evenly() {
        assert_eq!(picks(&[true, false, true, true], 6), [0, 2, 3, 0, 2, 3]);
        assert_eq!(picks(&[false, false], 3), [] as [usize; 0]);
    }

    #[test]
    fn distribution_is_exact_across_threads() {
        let round_robin = RoundRobin::default();
        let counts: [AtomicUsize; 3] = Default::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..3_000 {
                        counts[round_robin.pick(3, |_| true).unwrap()].fetch_add(1, Relaxed);
                    }
                });
            }
        });
        assert_eq!(counts.map(AtomicUsize::into_inner), [4_000; 3]);
    }
}
