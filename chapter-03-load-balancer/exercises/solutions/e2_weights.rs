//! Exercise 3.2, solved.
//!
//! Each backend has a credit. A turn pays everybody that takes part its weight, gives the turn to the richest, and
//! takes from it what all were paid together (nginx's algorithm since 1.3.1). So that sum is the price of one turn.
//! When backends come or go, the price changes, and all credits with it: what is kept is how many *turns* each is
//! owed. Whoever is down is neither paid nor charged. Then nobody strays from its share by more than a few turns, and
//! the number of backends alone says how few: it is the car pool of Fagin and Williams (1983), in which whoever owes
//! most drives.

use crate::contracts::Turns;

/// Bits behind the point of a credit: what rounding loses at a change of price is a millionth of a turn at most.
const FRACTION_BITS: u32 = 20;

/// Smooth weighted round robin.
#[derive(Debug)]
pub struct Weighted {
    accounts: Vec<Account>,
    /// The price of a turn that the credits are reckoned in: the weights of those that took part in the last one.
    price: i128,
}

#[derive(Debug)]
struct Account {
    weight: u32,
    /// `i128`: it reaches the sum of all weights, in both directions, and is multiplied by one.
    credit: i128,
}

/// Turns for backends of these weights.
pub fn turns(weights: &[u32]) -> Weighted {
    let accounts = weights.iter().map(|weight| Account { weight: *weight, credit: 0 }).collect();
    Weighted { accounts, price: 1 }
}

impl Turns for Weighted {
    fn next(&mut self, up: &[bool]) -> Option<usize> {
        // Without a weight it would still win while the others are in debt.
        let takes_part = |backend: usize, account: &Account| up[backend] && account.weight > 0;
        let all = self.accounts.iter().enumerate();
        let price = all.filter(|(backend, one)| takes_part(*backend, one)).map(|(_, one)| i128::from(one.weight)).sum();
        if price == 0 {
            return None;
        }
        self.reprice(price);
        let mut richest: Option<(usize, i128)> = None;
        for (backend, account) in self.accounts.iter_mut().enumerate() {
            if !takes_part(backend, account) {
                continue;
            }
            account.credit += i128::from(account.weight) << FRACTION_BITS;
            if richest.is_none_or(|(_, most)| account.credit > most) {
                richest = Some((backend, account.credit));
            }
        }
        let (chosen, _) = richest?;
        self.accounts[chosen].credit -= price << FRACTION_BITS;
        Some(chosen)
    }
}

impl Weighted {
    /// Everybody, also who is down, is owed as many turns at the new price as it was at the old one.
    fn reprice(&mut self, price: i128) {
        // While nothing changes, nothing is rounded: cycles are exact.
        if price != self.price {
            for account in &mut self.accounts {
                account.credit = account.credit * price / self.price;
            }
            self.price = price;
        }
    }
}
