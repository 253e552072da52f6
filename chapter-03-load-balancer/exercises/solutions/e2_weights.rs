//! Exercise 3.2, solved.
//!
//! Each backend has a credit. A turn adds its weight to the credit of each participating backend, picks the backend
//! with the highest credit, and subtracts the sum of the weights from that (nginx's algorithm since 1.3.1). So the sum
//! is the price of one turn. When backends go up or down, the price changes, and all credits are scaled, so that each
//! is still worth the same number of *turns*. A backend that is down neither earns nor pays. Then no backend deviates
//! from its share by more than a few turns, a bound that depends only on the number of backends: it is the carpool
//! problem of Fagin and Williams (1983), in which the person who owes most drives.

use crate::contracts::Turns;

/// Fractional bits of a credit: rounding at a change of price loses at most a millionth of a turn.
const FRACTION_BITS: u32 = 20;

/// Smooth weighted round robin.
#[derive(Debug)]
pub struct Weighted {
    accounts: Vec<Account>,
    /// The price of the last turn, the unit of the credits: the sum of the weights of its participating backends.
    price: i128,
}

#[derive(Debug)]
struct Account {
    weight: u32,
    /// `i128`, because it reaches plus or minus the sum of all weights, and is multiplied by such a sum.
    credit: i128,
}

/// Weighted round robin over backends with these weights.
pub fn turns(weights: &[u32]) -> Weighted {
    let accounts = weights.iter().map(|weight| Account { weight: *weight, credit: 0 }).collect();
    Weighted { accounts, price: 1 }
}

impl Turns for Weighted {
    fn next(&mut self, up: &[bool]) -> Option<usize> {
        // A backend of weight 0 would be picked while the credits of all others are negative.
        let participates = |backend: usize, account: &Account| up[backend] && account.weight > 0;
        let all = self.accounts.iter().enumerate();
        let participants = all.filter(|(backend, account)| participates(*backend, account));
        let price = participants.map(|(_, account)| i128::from(account.weight)).sum();
        if price == 0 {
            return None;
        }
        self.reprice(price);
        let mut highest: Option<(usize, i128)> = None;
        for (backend, account) in self.accounts.iter_mut().enumerate() {
            if !participates(backend, account) {
                continue;
            }
            account.credit += i128::from(account.weight) << FRACTION_BITS;
            if highest.is_none_or(|(_, credit)| account.credit > credit) {
                highest = Some((backend, account.credit));
            }
        }
        let (chosen, _) = highest?;
        self.accounts[chosen].credit -= price << FRACTION_BITS;
        Some(chosen)
    }
}

impl Weighted {
    /// Scales all credits, those of backends that are down too, so that each is worth as many turns as before.
    fn reprice(&mut self, price: i128) {
        // While the price is unchanged, nothing is rounded, so cycles are exact.
        if price != self.price {
            for account in &mut self.accounts {
                account.credit = account.credit * price / self.price;
            }
            self.price = price;
        }
    }
}
