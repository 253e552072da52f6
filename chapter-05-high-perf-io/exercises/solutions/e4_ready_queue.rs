//! Exercise 5.4, solved.
//!
//! To find somebody in a queue costs a search, so a table says of each in which queue it is, and by which ticket. A
//! ticket in a queue that is not its owner's latest is void; whoever is forgotten or becomes urgent leaves a void one
//! behind, and a turn passes it over. Each is passed over once, so on average a turn costs what it did.
//!
//! For the share one number is enough: how many turns in a row the urgent ones had while a normal one waited. It begins
//! again with each turn of a normal one, and when no normal one waits; so nothing is saved up on either side.

use std::collections::{HashMap, VecDeque};

use crate::contracts::{Class, ReadyQueue, SHARE};

/// Who waits in one class, with the ticket of each.
type Line = VecDeque<(u32, u64)>;

/// Two lines, and who stands where.
#[derive(Debug)]
pub struct Queue {
    urgent: Line,
    normal: Line,
    waiting: HashMap<u32, (Class, u64)>,
    normal_ones: usize,
    tickets: u64,
    /// Turns of urgent ones in a row, while a normal one waited.
    in_a_row: usize,
}

/// With nobody in it.
pub fn ready_queue() -> Queue {
    Queue {
        urgent: Line::default(),
        normal: Line::default(),
        waiting: HashMap::new(),
        normal_ones: 0,
        tickets: 0,
        in_a_row: 0,
    }
}

impl Queue {
    fn remove(&mut self, id: u32) {
        if let Some((Class::Normal, _)) = self.waiting.remove(&id) {
            self.normal_ones -= 1;
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
                self.normal_ones += 1;
            }
        }
    }

    fn pop(&mut self) -> Option<u32> {
        let is_normals_turn = self.normal_ones > 0 && self.in_a_row + 1 >= SHARE;
        let has_urgent = self.waiting.len() > self.normal_ones;
        let takes_urgent = has_urgent && !is_normals_turn;
        self.in_a_row = if takes_urgent && self.normal_ones > 0 { self.in_a_row + 1 } else { 0 };
        let line = if takes_urgent { &mut self.urgent } else { &mut self.normal };
        loop {
            let (id, ticket) = line.pop_front()?;
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
