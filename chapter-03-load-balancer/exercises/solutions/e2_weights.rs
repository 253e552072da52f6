//! Exercise 3.2, solved.
//!
//! Each backend has a credit. A turn pays everybody that takes part its weight, gives the turn to the richest, and
//! takes from it what all were paid together. So the credits add up to what they were, nobody gets far ahead, and
//! whoever is down is neither paid nor charged: it comes back with the credit that it left with. (nginx's
//! algorithm since 1.3.1.)

use crate::contracts::Turns;

/// Smooth weighted round robin.
#[derive(Debug)]
pub struct Weighted {
    accounts: Vec<Account>,
}

#[derive(Debug)]
struct Account {
    weight: i64,
    /// `i64`: it reaches the sum of all weights, in both directions.
    credit: i64,
}

/// Turns for backends of these weights.
pub fn turns(weights: &[u32]) -> Weighted {
    Weighted { accounts: weights.iter().map(|weight| Account { weight: i64::from(*weight), credit: 0 }).collect() }
}

impl Turns for Weighted {
    fn next(&mut self, up: &[bool]) -> Option<usize> {
        let mut paid = 0;
        let mut richest: Option<(usize, i64)> = None;
        for (backend, account) in self.accounts.iter_mut().enumerate() {
            // Without a weight it would still win while the others are in debt.
            if !up[backend] || account.weight == 0 {
                continue;
            }
            account.credit += account.weight;
            paid += account.weight;
            if richest.is_none_or(|(_, most)| account.credit > most) {
                richest = Some((backend, account.credit));
            }
        }
        let (chosen, _) = richest?;
        self.accounts[chosen].credit -= paid;
        Some(chosen)
    }
}
