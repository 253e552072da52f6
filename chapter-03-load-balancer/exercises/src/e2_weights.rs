//! Exercise 3.2: turns by weight (an hour).
//!
//! **Contract.** [`turns`] makes a [`Turns`] for backends of these weights.
//!
//! - While all are up, a cycle is as many turns as the weights add up to, and in each cycle each backend has exactly
//!   its weight in turns. They are spread out as nginx spreads them: weights 5, 1, 1 give a a b a c a a.
//! - A backend of weight 0 has no turns. One that is down has none either, and its turns are shared by the others in
//!   proportion to their weights.
//! - A backend that comes back gets its share from then on, not what it has missed. One that goes up and down all the
//!   time takes nothing from the shares of the others.
//! - Weights may be as large as a `u32` can be.

use crate::contracts::Turns;

/// Turns by weight, in blocks: a a a a a b c.
#[derive(Debug)]
pub struct Weighted {
    weights: Vec<u32>,
    turn: u64,
}

/// Turns for backends of these weights.
pub fn turns(weights: &[u32]) -> Weighted {
    Weighted { weights: weights.to_vec(), turn: 0 }
}

impl Turns for Weighted {
    fn next(&mut self, up: &[bool]) -> Option<usize> {
        let cycle: u64 = self.weights.iter().copied().map(u64::from).sum();
        let mut place = self.turn.checked_rem(cycle)?;
        self.turn += 1;
        let mut owner = 0;
        while place >= u64::from(self.weights[owner]) {
            place -= u64::from(self.weights[owner]);
            owner += 1;
        }
        // Its turn, or that of the next one that is up.
        let usable = |backend: &usize| up[*backend] && self.weights[*backend] > 0;
        (owner..up.len()).chain(0..owner).find(usable)
    }
}
