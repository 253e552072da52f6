//! Exercise 5.4, solved.
//!
//! Finding an id in a queue costs a search, so a table has each id's priority and the sequence number of its latest
//! push. A queue entry with another number is stale: an id that is removed or becomes urgent leaves a stale entry
//! behind, and a pop skips it. Each stale entry is skipped once, so the average cost of a pop does not change.
//!
//! One counter is enough for the limit: how many pops in a row were urgent while a normal id waited. A normal pop
//! resets it, and so does a pop while no normal id waits, so no credit accumulates on either side.

use std::collections::{HashMap, VecDeque};

use crate::contracts::{NORMAL_INTERVAL, Priority, ReadyQueue};

/// The ids of one priority, each with the sequence number of its push.
type Fifo = VecDeque<(u32, u64)>;

/// One queue per priority, and a table of all ids.
#[derive(Debug)]
pub struct Queue {
    urgent: Fifo,
    normal: Fifo,
    waiting: HashMap<u32, (Priority, u64)>,
    normal_count: usize,
    sequence: u64,
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
        sequence: 0,
        urgent_in_a_row: 0,
    }
}

impl Queue {
    fn remove_entry(&mut self, id: u32) {
        if let Some((Priority::Normal, _)) = self.waiting.remove(&id) {
            self.normal_count -= 1;
        }
    }
}

impl ReadyQueue for Queue {
    fn push(&mut self, id: u32, priority: Priority) {
        match self.waiting.get(&id) {
            Some((before, _)) if *before == priority || *before == Priority::Urgent => return,
            _ => self.remove_entry(id),
        }
        self.sequence += 1;
        self.waiting.insert(id, (priority, self.sequence));
        match priority {
            Priority::Urgent => self.urgent.push_back((id, self.sequence)),
            Priority::Normal => {
                self.normal.push_back((id, self.sequence));
                self.normal_count += 1;
            }
        }
    }

    fn pop(&mut self) -> Option<u32> {
        let is_normal_due = self.normal_count > 0 && self.urgent_in_a_row + 1 >= NORMAL_INTERVAL;
        let has_urgent = self.waiting.len() > self.normal_count;
        let takes_urgent = has_urgent && !is_normal_due;
        self.urgent_in_a_row = if takes_urgent && self.normal_count > 0 { self.urgent_in_a_row + 1 } else { 0 };
        let queue = if takes_urgent { &mut self.urgent } else { &mut self.normal };
        loop {
            let (id, number) = queue.pop_front()?;
            if self.waiting.get(&id).is_some_and(|(_, latest)| *latest == number) {
                self.remove_entry(id);
                return Some(id);
            }
        }
    }

    fn remove(&mut self, id: u32) {
        self.remove_entry(id);
    }

    fn len(&self) -> usize {
        self.waiting.len()
    }
}
