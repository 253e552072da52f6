//! Whose turn it is and what chance says: what outlives a change of the backends.
//!
//! The tables of a policy are thrown away whenever a backend comes or goes; the count of the turns is not, or
//! each change would begin again with the first backend. Every picker of a group shares one of these.
//! Cost: one relaxed `fetch_add` per turn or draw. One counter for all cores is what makes shares exact in the
//! whole process; it is also the one cache line that round robin and chance make all cores write.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use super::hash::{GOLDEN_GAMMA, mix};

/// A value that is alone on its cache line, so that two cores do not contend for its neighbours.
#[derive(Debug, Default)]
#[repr(align(64))]
struct CachePadded<T>(T);

/// A count of turns, and a source of random numbers.
#[derive(Debug)]
pub struct PickCounters {
    round_robin: CachePadded<AtomicUsize>,
    random_state: CachePadded<AtomicU64>,
}

/// Turns from 0, chance unlike that of any other process: balancers that start together must not agree.
impl Default for PickCounters {
    fn default() -> Self {
        // The standard library's way to the system's randomness; the draws need no more than a seed of it.
        Self::with_seed(RandomState::new().hash_one(0))
    }
}

impl PickCounters {
    /// Turns from 0, and the chance that belongs to `seed`: the same draws in every run.
    pub fn with_seed(seed: u64) -> Self {
        Self { round_robin: CachePadded::default(), random_state: CachePadded(AtomicU64::new(seed)) }
    }

    /// The next turn: 0, 1, 2, … each to one caller only.
    pub fn next_round_robin(&self) -> usize {
        // Relaxed is enough: we need distinct turns, not an order between them.
        self.round_robin.0.fetch_add(1, Relaxed)
    }

    /// A random number, by `SplitMix64`: its state is a sum, so it is one `fetch_add`, without a loop or a lock.
    pub fn next_random(&self) -> u64 {
        mix(self.random_state.0.fetch_add(GOLDEN_GAMMA, Relaxed))
    }
}

/// Where a turn falls if the turns are to be spread over all 64-bit numbers: each as far as can be from those
/// shortly before it (Weyl's sequence with the golden ratio). Shares taken from it are nearly exact at any time,
/// where those taken by chance only come near after a while.
pub fn weyl_sequence(sequence: usize) -> u64 {
    (sequence as u64).wrapping_mul(GOLDEN_GAMMA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_draws_and_nothing_decides_the_default() {
        let draws = |turns: PickCounters| [turns.next_random(), turns.next_random(), turns.next_random()];
        assert_eq!(draws(PickCounters::with_seed(1)), draws(PickCounters::with_seed(1)));
        assert_ne!(draws(PickCounters::with_seed(1)), draws(PickCounters::with_seed(2)));
        assert_ne!(draws(PickCounters::default()), draws(PickCounters::default()));
    }

    #[test]
    fn a_turn_is_given_once_across_threads() {
        let turns = PickCounters::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| _ = turns.next_round_robin()));
            }
        });
        assert_eq!(turns.next_round_robin(), 4_000);
    }

    #[test]
    fn spread_turns_keep_each_share_at_any_time() {
        let mut low = 0_i32;
        for sequence in 0..1_000 {
            low += i32::from(weyl_sequence(sequence) < u64::MAX / 4);
            let fair = (i32::try_from(sequence).unwrap() + 1) / 4;
            assert!((low - fair).abs() <= 4, "{low} of {sequence} turns in the first quarter");
        }
    }
}
