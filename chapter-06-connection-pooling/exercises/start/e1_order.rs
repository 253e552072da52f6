//! Exercise 6.1: a stack or a queue (warm-up).
//!
//! **Contract.** [`account`] plays the operations on the pool of one peer, which is empty at first, and returns the
//! result.
//!
//! - A take gets an idle connection: the one that was returned last, or the longest idle one, depending on the order.
//!   If none is idle, a new one is opened.
//! - A put returns a connection, which is idle from then on. Only a connection that was taken is put.
//! - A connection that has been idle for `rest` is closed at that very moment, whether an operation happens then or
//!   not. A take, or the end of the trace, at the same moment comes after the close.
//! - The result counts the connections that were opened, those that were closed, and those that are idle at the end.

use std::collections::VecDeque;

use crate::contracts::{Account, Act, Order, Trace};

/// The result of the trace if connections are taken in this order.
pub fn account(trace: &Trace, order: Order) -> Account {
    let mut account = Account::default();
    let mut idle = VecDeque::new();
    for (at, act) in &trace.acts {
        if *act == Act::Put {
            idle.push_back(*at);
            continue;
        }
        let taken = match order {
            Order::LastIn => idle.pop_back(),
            Order::FirstIn => idle.pop_front(),
        };
        let has_expired = taken.is_some_and(|since| at.saturating_sub(since) >= trace.rest);
        account.expired += usize::from(has_expired);
        account.connects += usize::from(taken.is_none() || has_expired);
    }
    account.warm = idle.len();
    account
}
