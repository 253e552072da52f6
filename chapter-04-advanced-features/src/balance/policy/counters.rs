//! The round-robin counter and the random state of a group: what outlives a change of the backends.
//!
//! A policy's tables are rebuilt whenever a backend is added or removed; the round-robin counter is kept, or each
//! change would start again with the first backend. All pickers of a group share one [`PickCounters`].
//! Cost: one relaxed `fetch_add` per pick or random number. One counter for all CPU cores makes shares exact in the
//! whole process; it is also the one cache line that round robin and random make all cores write.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use super::hash::{GOLDEN_GAMMA, mix};

/// A value that is alone on its cache line, so that two cores do not contend for its neighbours.
#[derive(Debug, Default)]
#[repr(align(64))]
struct CachePadded<T>(T);

/// A round-robin counter, the position of least connections, and a source of random numbers.
#[derive(Debug)]
pub struct PickCounters {
    round_robin: CachePadded<AtomicUsize>,
    after_last: CachePadded<AtomicUsize>,
    random_state: CachePadded<AtomicU64>,
}

/// Round robin from 0, and a random seed: balancers that start together must not draw the same numbers.
impl Default for PickCounters {
    fn default() -> Self {
        // The standard library's access to the system's randomness; a seed is all that is needed.
        Self::with_seed(RandomState::new().hash_one(0))
    }
}

impl PickCounters {
    /// Round robin from 0, and random numbers from `seed`: the same in every run.
    pub fn with_seed(seed: u64) -> Self {
        Self {
            round_robin: CachePadded::default(),
            after_last: CachePadded::default(),
            random_state: CachePadded(AtomicU64::new(seed)),
        }
    }

    /// The next value of the round-robin counter: 0, 1, 2, … each to one caller only.
    pub fn next_round_robin(&self) -> usize {
        // Relaxed is enough: we need distinct values, not an order between them.
        self.round_robin.0.fetch_add(1, Relaxed)
    }

    /// Picks with `search`, which gets the index after the one that was picked last: where it begins.
    ///
    /// If another thread has picked in between, it searches again, so each of several equal candidates is picked once
    /// before one is picked again. But not for ever: with many threads and a long search, every one would fail.
    pub fn pick_after_last(&self, search: impl Fn(usize) -> Option<usize>) -> Option<usize> {
        const MAX_SEARCHES: usize = 4;
        let mut begin = self.after_last.0.load(Relaxed);
        for _ in 1..MAX_SEARCHES {
            let picked = search(begin)?;
            match self.after_last.0.compare_exchange(begin, picked + 1, Relaxed, Relaxed) {
                Ok(_) => return Some(picked),
                Err(moved) => begin = moved,
            }
        }
        let picked = search(begin)?;
        self.after_last.0.store(picked + 1, Relaxed);
        Some(picked)
    }

    /// A random number, by `SplitMix64`: its state is a sum, so it needs one `fetch_add`, and no loop or lock.
    pub fn next_random(&self) -> u64 {
        mix(self.random_state.0.fetch_add(GOLDEN_GAMMA, Relaxed))
    }
}

/// Maps a sequence number to a point in all 64-bit numbers: each as far as possible from those shortly before it (the
/// Weyl sequence of the golden ratio). Shares sampled with it are nearly exact at any time; random ones only converge.
pub fn weyl_sequence(sequence: usize) -> u64 {
    (sequence as u64).wrapping_mul(GOLDEN_GAMMA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_numbers_and_the_default_is_random() {
        let draws = |counters: PickCounters| [counters.next_random(), counters.next_random(), counters.next_random()];
        assert_eq!(draws(PickCounters::with_seed(1)), draws(PickCounters::with_seed(1)));
        assert_ne!(draws(PickCounters::with_seed(1)), draws(PickCounters::with_seed(2)));
        assert_ne!(draws(PickCounters::default()), draws(PickCounters::default()));
    }

    #[test]
    fn each_value_is_returned_once_across_threads() {
        let counters = PickCounters::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| _ = counters.next_round_robin()));
            }
        });
        assert_eq!(counters.next_round_robin(), 4_000);
    }

    #[test]
    fn threads_that_pick_after_the_last_share_one_cycle() {
        let counters = PickCounters::default();
        let picks = [const { AtomicUsize::new(0) }; 5];
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let picked = counters.pick_after_last(|begin| Some(begin % picks.len()));
                        picks[picked.unwrap()].fetch_add(1, Relaxed);
                    }
                });
            }
        });
        let picks = picks.map(AtomicUsize::into_inner);
        // All but those after four collisions in a row.
        assert!(
            picks.iter().sum::<usize>() == 4_000 && picks.iter().all(|count| (600..1_000).contains(count)),
            "{picks:?}"
        );
        assert_eq!(counters.pick_after_last(|_| None), None);
    }

    #[test]
    fn weyl_sequence_keeps_each_share_at_any_time() {
        let mut low = 0_i32;
        for sequence in 0..1_000 {
            low += i32::from(weyl_sequence(sequence) < u64::MAX / 4);
            let fair = (i32::try_from(sequence).unwrap() + 1) / 4;
            assert!((low - fair).abs() <= 4, "{low} of {sequence} points in the first quarter");
        }
    }
}
