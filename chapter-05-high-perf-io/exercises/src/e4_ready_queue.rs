//! Exercise 5.4: a ready queue with two priorities (an hour).
//!
//! **Contract.** [`ready_queue`] returns a [`ReadyQueue`] of the ids of tasks that are ready to run.
//!
//! - No id is in the queue twice. Pushing it again changes nothing, except that a normal id that is pushed as urgent
//!   moves to the end of the urgent ones.
//! - Urgent ids come before normal ones. But after [`NORMAL_INTERVAL`](crate::contracts::NORMAL_INTERVAL)` - 1` urgent
//!   pops in a row, each while a normal id waited, the next pop returns a normal id, if one still waits.
//! - No credit accumulates: even after an hour of normal pops only, an urgent id that is pushed is the next to be
//!   popped.
//! - Within a priority the order is first in, first out.
//! - An id that was removed is not popped. If it is pushed again later, it goes to the end.
//! - Whatever the length, a pop, a push and a `remove` cost about a microsecond on average.

use std::collections::VecDeque;

use crate::contracts::{Priority, ReadyQueue};

/// One queue per priority.
#[derive(Debug)]
pub struct Queue {
    urgent: VecDeque<u32>,
    normal: VecDeque<u32>,
}

/// An empty queue.
pub fn ready_queue() -> Queue {
    Queue { urgent: VecDeque::new(), normal: VecDeque::new() }
}

impl ReadyQueue for Queue {
    fn push(&mut self, id: u32, priority: Priority) {
        let queue = if priority == Priority::Urgent { &mut self.urgent } else { &mut self.normal };
        if !queue.contains(&id) {
            queue.push_back(id);
        }
    }

    fn pop(&mut self) -> Option<u32> {
        self.urgent.pop_front().or_else(|| self.normal.pop_front())
    }

    fn remove(&mut self, id: u32) {
        self.urgent.retain(|other| *other != id);
        self.normal.retain(|other| *other != id);
    }

    fn len(&self) -> usize {
        self.urgent.len() + self.normal.len()
    }
}
