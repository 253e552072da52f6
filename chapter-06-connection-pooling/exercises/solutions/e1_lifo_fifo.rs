//! Exercise 6.1, solved.
//!
//! In both orders the connection in front is the longest idle one, so the idle timeout removes from the front; only
//! `Take` differs. A stack uses as few connections as the traffic needs, and the others reach the idle timeout. A queue
//! rotates through all of them and keeps them warm, as long as each is used again before its timeout.

use std::collections::VecDeque;

use crate::contracts::{Operation, ReuseOrder, Trace, TraceResult};

/// The result of the trace if connections are taken in this order.
pub fn replay(trace: &Trace, order: ReuseOrder) -> TraceResult {
    let mut result = TraceResult::default();
    let mut idle = VecDeque::new();
    let operations = trace.operations.iter().map(|(at, operation)| (*at, Some(*operation)));
    for (at, operation) in operations.chain([(trace.end, None)]) {
        while idle.front().is_some_and(|since| at.saturating_sub(*since) >= trace.idle_timeout) {
            idle.pop_front();
            result.expired += 1;
        }
        let taken = match (operation, order) {
            (None, _) => break,
            (Some(Operation::Put), _) => {
                idle.push_back(at);
                continue;
            }
            (Some(Operation::Take), ReuseOrder::Lifo) => idle.pop_back(),
            (Some(Operation::Take), ReuseOrder::Fifo) => idle.pop_front(),
        };
        result.connects += usize::from(taken.is_none());
    }
    result.idle = idle.len();
    result
}
