//! Exercise 6.1, solved.
//!
//! In both orders the one in front has rested longest, so time takes from the front, and only who takes differs. A stack
//! uses as few connections as the traffic needs, and the others grow old in peace. A queue goes round and keeps all of
//! them warm, for as long as each has its turn before its rest is over.

use std::collections::VecDeque;

use crate::contracts::{Account, Act, Order, Trace};

/// What comes of the trace if connections are taken in this order.
pub fn account(trace: &Trace, order: Order) -> Account {
    let mut account = Account::default();
    let mut resting = VecDeque::new();
    let acts = trace.acts.iter().map(|(at, act)| (*at, Some(*act)));
    for (at, act) in acts.chain([(trace.end, None)]) {
        while resting.front().is_some_and(|since| at.saturating_sub(*since) >= trace.rest) {
            resting.pop_front();
            account.expired += 1;
        }
        let taken = match (act, order) {
            (None, _) => break,
            (Some(Act::Put), _) => {
                resting.push_back(at);
                continue;
            }
            (Some(Act::Take), Order::LastIn) => resting.pop_back(),
            (Some(Act::Take), Order::FirstIn) => resting.pop_front(),
        };
        account.connects += usize::from(taken.is_none());
    }
    account.warm = resting.len();
    account
}
