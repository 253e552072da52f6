//! Exercise 5.4, solved.
//!
//! Finding an id in a queue costs a search, so a table has each id's class and ticket. A ticket in a queue that is not
//! its id's latest is void: an id that is forgotten or becomes urgent leaves a void ticket behind, and a pop skips it.
//! Each void ticket is skipped once, so the average cost of a pop does not change.
//!
//! One counter is enough for the share: how many pops in a row were urgent while a normal id waited. A normal pop
//! resets it, and so does a pop while no normal id waits, so no credit accumulates on either side.

use std::collections::{HashMap, VecDeque};

use crate::contracts::{Class, ReadyQueue, SHARE};

/// The ids of one class, each with its ticket.
type Fifo = VecDeque<(u32, u64)>;

/// One queue per class, and a table of all ids.
#[derive(Debug)]
pub struct Queue {
    urgent: Fifo,
    normal: Fifo,
    waiting: HashMap<u32, (Class, u64)>,
    normal_count: usize,
    tickets: u64,
    /// Urgent pops in a row while a normal id waited.
    urgent_in_a_row: usize,
}

/// An empty queue.
pub fn ready_queue() -> Queue {
    Queue {
        urgent: Fifo::default(),
        normal: Fifo::default(),
        waiting: HashMap::new(),
        normal_count: 0,
        tickets: 0,
        urgent_in_a_row: 0,
    }
}

impl Queue {
    fn remove(&mut self, id: u32) {
        if let Some((Class::Normal, _)) = self.waiting.remove(&id) {
            self.normal_count -= 1;
        }
    }
}

impl ReadyQueue for Queue {
    fn push(&mut self, id: u32, class: Class) {
        match self.waiting.get(&id) {
            Some((before, _)) if *before == class || *before == Class::Urgent => return,
            _ => self.remove(id),
        }
        self.tickets += 1;
        self.waiting.insert(id, (class, self.tickets));
        match class {
            Class::Urgent => self.urgent.push_back((id, self.tickets)),
            Class::Normal => {
                self.normal.push_back((id, self.tickets));
                self.normal_count += 1;
            }
        }
    }

    fn pop(&mut self) -> Option<u32> {
        let is_normal_due = self.normal_count > 0 && self.urgent_in_a_row + 1 >= SHARE;
        let has_urgent = self.waiting.len() > self.normal_count;
        let takes_urgent = has_urgent && !is_normal_due;
        self.urgent_in_a_row = if takes_urgent && self.normal_count > 0 { self.urgent_in_a_row + 1 } else { 0 };
        let queue = if takes_urgent { &mut self.urgent } else { &mut self.normal };
        loop {
            let (id, ticket) = queue.pop_front()?;
            if self.waiting.get(&id).is_some_and(|(_, latest)| *latest == ticket) {
                self.remove(id);
                return Some(id);
            }
        }
    }

    fn forget(&mut self, id: u32) {
        self.remove(id);
    }

    fn len(&self) -> usize {
        self.waiting.len()
    }
}
