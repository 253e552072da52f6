//! Exercise 6.1: a stack or a queue (warm-up).
//!
//! **Contract.** [`account`] plays what is done with the pool of one peer, which is empty at first, and says what came of
//! it.
//!
//! - A take gets a connection that rests: the one that came back last, or the one that has rested longest, as the order
//!   says. If none rests, one is connected.
//! - A put lays a connection down, which rests from then on. Nothing is put that was not taken before.
//! - A connection that has rested for `rest` is closed in that very moment, whether anybody looks at it or not. A take, or
//!   the end, that comes in the same moment comes after it.
//! - In the end it is known how many were connected, how many were closed, and how many rest.

use std::collections::VecDeque;

use crate::contracts::{Account, Act, Order, Trace};

/// What comes of the trace if connections are taken in this order.
pub fn account(trace: &Trace, order: Order) -> Account {
    let mut account = Account::default();
    let mut resting = VecDeque::new();
    for (at, act) in &trace.acts {
        if *act == Act::Put {
            resting.push_back(*at);
            continue;
        }
        let taken = match order {
            Order::LastIn => resting.pop_back(),
            Order::FirstIn => resting.pop_front(),
        };
        let has_expired = taken.is_some_and(|since| at.saturating_sub(since) >= trace.rest);
        account.expired += usize::from(has_expired);
        account.connects += usize::from(taken.is_none() || has_expired);
    }
    account.warm = resting.len();
    account
}
