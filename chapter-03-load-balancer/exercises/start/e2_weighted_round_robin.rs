//! Exercise 3.2: smooth weighted round robin (an hour).
//!
//! **Contract.** [`weighted_round_robin`] returns a [`WeightedRoundRobin`] over backends with these weights.
//!
//! - While all are up, a cycle has as many picks as the sum of the weights, and in each cycle each backend is picked
//!   exactly as often as its weight says. The picks are interleaved as in nginx: weights 5, 1, 1 give a a b a c a a.
//! - A backend of weight 0 is never picked. Nor is one that is down: its picks go to the others, in proportion to their
//!   weights.
//! - A backend that comes back gets its share from then on, but does not make up for missed picks. A flapping backend
//!   does not reduce the shares of the others.
//! - Weights may be up to `u32::MAX`.

use crate::contracts::WeightedRoundRobin;

/// Weighted round robin in blocks: a a a a a b c.
#[derive(Debug)]
pub struct Wrr {
    weights: Vec<u32>,
    pick: u64,
}

/// Weighted round robin over backends with these weights.
pub fn weighted_round_robin(weights: &[u32]) -> Wrr {
    Wrr { weights: weights.to_vec(), pick: 0 }
}

impl WeightedRoundRobin for Wrr {
    fn next(&mut self, up: &[bool]) -> Option<usize> {
        let cycle: u64 = self.weights.iter().copied().map(u64::from).sum();
        let mut position = self.pick.checked_rem(cycle)?;
        self.pick += 1;
        let mut owner = 0;
        while position >= u64::from(self.weights[owner]) {
            position -= u64::from(self.weights[owner]);
            owner += 1;
        }
        // The owner of this position, or the next backend that is up.
        let usable = |backend: &usize| up[*backend] && self.weights[*backend] > 0;
        (owner..up.len()).chain(0..owner).find(usable)
    }
}
