//! Exercise 5.4: who goes first (an hour).
//!
//! **Contract.** [`ready_queue`] makes a [`ReadyQueue`]: whoever could go on waits in it for a turn.
//!
//! - Nobody is in it twice. To be pushed again changes nothing, but one that was normal and is urgent now goes to the end
//!   of the urgent ones.
//! - Urgent ones come before normal ones. But once they had [`SHARE`](crate::contracts::SHARE)` - 1` turns in a row, each
//!   while a normal one waited, the next turn is a normal one's, if there still is one.
//! - Nobody saves turns up: when normal ones had all turns for an hour, an urgent one that comes is next all the same.
//! - Within its class each comes in its turn: first in, first out.
//! - One that is forgotten has no turn. If it is pushed again later, it waits in the last place.
//! - However many there are, a turn, a push and a `forget` cost a microsecond or so on average.

use std::collections::VecDeque;

use crate::contracts::{Class, ReadyQueue};

/// Two queues.
#[derive(Debug)]
pub struct Queue {
    urgent: VecDeque<u32>,
    normal: VecDeque<u32>,
}

/// With nobody in it.
pub fn ready_queue() -> Queue {
    Queue { urgent: VecDeque::new(), normal: VecDeque::new() }
}

impl ReadyQueue for Queue {
    fn push(&mut self, id: u32, class: Class) {
        let queue = if class == Class::Urgent { &mut self.urgent } else { &mut self.normal };
        if !queue.contains(&id) {
            queue.push_back(id);
        }
    }

    fn pop(&mut self) -> Option<u32> {
        self.urgent.pop_front().or_else(|| self.normal.pop_front())
    }

    fn forget(&mut self, id: u32) {
        self.urgent.retain(|other| *other != id);
        self.normal.retain(|other| *other != id);
    }

    fn len(&self) -> usize {
        self.urgent.len() + self.normal.len()
    }
}
