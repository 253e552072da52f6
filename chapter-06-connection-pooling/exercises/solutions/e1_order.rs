//! Exercise 6.1, solved.
//!
//! In both orders the connection in front is the longest idle one, so the idle timeout removes from the front; only
//! `Take` differs. A stack uses as few connections as the traffic needs, and the others reach the idle timeout. A queue
//! rotates through all of them and keeps them warm, as long as each is used again before its timeout.

use std::collections::VecDeque;

use crate::contracts::{Account, Act, Order, Trace};

/// The result of the trace if connections are taken in this order.
pub fn account(trace: &Trace, order: Order) -> Account {
    let mut account = Account::default();
    let mut idle = VecDeque::new();
    let acts = trace.acts.iter().map(|(at, act)| (*at, Some(*act)));
    for (at, act) in acts.chain([(trace.end, None)]) {
        while idle.front().is_some_and(|since| at.saturating_sub(*since) >= trace.rest) {
            idle.pop_front();
            account.expired += 1;
        }
        let taken = match (act, order) {
            (None, _) => break,
            (Some(Act::Put), _) => {
                idle.push_back(at);
                continue;
            }
            (Some(Act::Take), Order::LastIn) => idle.pop_back(),
            (Some(Act::Take), Order::FirstIn) => idle.pop_front(),
        };
        account.connects += usize::from(taken.is_none());
    }
    account.warm = idle.len();
    account
}
