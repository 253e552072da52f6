//! Exercise 6.1: LIFO or FIFO reuse (warm-up).
//!
//! **Contract.** [`replay`] applies the operations to the pool of one peer, which is empty at first, and returns the
//! counts.
//!
//! - A take gets an idle connection: the one that was returned last, or the longest idle one, depending on the order.
//!   If none is idle, a new one is opened.
//! - A put returns a connection, which is idle from then on. Only a connection that was taken is put.
//! - A connection that has been idle for `idle_timeout` is closed exactly then, whether or not an operation has the
//!   same time. A take, or the end of the trace, at that time comes after the close.
//! - The result counts the connections that were opened, those that were closed, and those that are idle at the end.

use std::collections::VecDeque;

use crate::contracts::{Operation, ReuseOrder, Trace, TraceResult};

/// The result of the trace if connections are taken in this order.
pub fn replay(trace: &Trace, order: ReuseOrder) -> TraceResult {
    let mut result = TraceResult::default();
    let mut idle = VecDeque::new();
    for (at, operation) in &trace.operations {
        if *operation == Operation::Put {
            idle.push_back(*at);
            continue;
        }
        let taken = match order {
            ReuseOrder::Lifo => idle.pop_back(),
            ReuseOrder::Fifo => idle.pop_front(),
        };
        let has_expired = taken.is_some_and(|since| at.saturating_sub(since) >= trace.idle_timeout);
        result.expired += usize::from(has_expired);
        result.connects += usize::from(taken.is_none() || has_expired);
    }
    result.idle = idle.len();
    result
}
