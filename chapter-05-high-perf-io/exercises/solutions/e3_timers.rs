//! Exercise 5.3, solved.
//!
//! A heap cannot find an entry to take it out. So it stays where it is, and a table says of each timer which entry
//! counts: the one whose number is the timer's latest. What comes to the top and does not count is thrown away there
//! (lazy deletion), before anybody looks. Ten thousand connections that move their deadlines a hundred times a second
//! would fill memory with entries that are not due for a minute, so when more than half are dead, the heap is made anew
//! of the living: that costs all of them once, and at least as many moves have paid for it.
//!
//! Beside the wheel: exact, a third of its code, and a search through the heap for each move, where the wheel pays a few
//! instructions.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

use crate::contracts::Timers;

/// So few dead entries are not worth the work.
const FEW: usize = 64;

/// Deadlines in a heap.
#[derive(Debug)]
pub struct Heap {
    /// Time, number of the entry, timer.
    entries: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    /// The number of each armed timer's entry.
    armed: HashMap<u32, u64>,
    /// The number of the next entry.
    number: u64,
}

/// Without any timer.
pub fn timers() -> Heap {
    Heap { entries: BinaryHeap::new(), armed: HashMap::new(), number: 0 }
}

impl Heap {
    /// Throws away what does not count: at the top always, all of it when it is more than half.
    fn tidy(&mut self) {
        let Self { entries, armed, .. } = self;
        let counts = |number: u64, id: u32| armed.get(&id) == Some(&number);
        if entries.len() > 2 * armed.len() + FEW {
            entries.retain(|Reverse((_, number, id))| counts(*number, *id));
        }
        while entries.peek().is_some_and(|Reverse((_, number, id))| !counts(*number, *id)) {
            entries.pop();
        }
    }
}

impl Timers for Heap {
    fn arm(&mut self, id: u32, at: Instant) {
        self.number += 1;
        self.entries.push(Reverse((at, self.number, id)));
        self.armed.insert(id, self.number);
        self.tidy();
    }

    fn disarm(&mut self, id: u32) {
        self.armed.remove(&id);
        self.tidy();
    }

    fn next(&mut self) -> Option<Instant> {
        self.entries.peek().map(|Reverse((at, ..))| *at)
    }

    fn expire(&mut self, now: Instant) -> Option<u32> {
        let Reverse((_, _, id)) = *self.entries.peek().filter(|Reverse((at, ..))| *at <= now)?;
        self.disarm(id);
        Some(id)
    }

    fn entries(&self) -> usize {
        self.entries.len()
    }
}
