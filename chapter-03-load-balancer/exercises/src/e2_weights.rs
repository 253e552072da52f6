//! Exercise 3.2: turns by weight (an hour).
//!
//! **Contract.** [`turns`] returns a [`Turns`], a weighted round robin over backends with these weights. A turn is one
//! pick.
//!
//! - While all are up, a cycle has as many turns as the sum of the weights, and in each cycle each backend gets exactly
//!   its weight in turns. They are interleaved as in nginx: weights 5, 1, 1 give a a b a c a a.
//! - A backend of weight 0 gets no turns. One that is down gets none either, and its turns are distributed to the
//!   others in proportion to their weights.
//! - A backend that comes back gets its share from then on, but does not make up for missed turns. One that flaps takes
//!   nothing from the shares of the others.
//! - Weights may be up to `u32::MAX`.

use crate::contracts::Turns;

/// Weighted round robin in blocks: a a a a a b c.
#[derive(Debug)]
pub struct Weighted {
    weights: Vec<u32>,
    turn: u64,
}

/// Weighted round robin over backends with these weights.
pub fn turns(weights: &[u32]) -> Weighted {
    Weighted { weights: weights.to_vec(), turn: 0 }
}

impl Turns for Weighted {
    fn next(&mut self, up: &[bool]) -> Option<usize> {
        let cycle: u64 = self.weights.iter().copied().map(u64::from).sum();
        let mut position = self.turn.checked_rem(cycle)?;
        self.turn += 1;
        let mut owner = 0;
        while position >= u64::from(self.weights[owner]) {
            position -= u64::from(self.weights[owner]);
            owner += 1;
        }
        // The owner of this turn, or the next backend that is up.
        let usable = |backend: &usize| up[*backend] && self.weights[*backend] > 0;
        (owner..up.len()).chain(0..owner).find(usable)
    }
}
