//! Exercise 5.3: a heap of timers (an hour).
//!
//! **Contract.** [`timers`] returns [`Timers`] with the behaviour of this chapter's wheel, but exact to the nanosecond:
//!
//! - A timer fires once, at the first `expire` whose `now` is not before its deadline. Due timers fire in the order of
//!   their deadlines; timers with equal deadlines fire in any order.
//! - A timer that is armed again has only its new deadline, whether that is earlier or later. A disarmed timer never
//!   fires.
//! - `next` is the earliest deadline of an armed timer: a loop must not wake up for the old deadline of a moved timer.
//! - However often timers are moved, at most 2 × armed timers + 64 entries are stored.
//! - With 100,000 timers armed, moving one costs microseconds at most.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::contracts::Timers;

/// Timers in a heap.
#[derive(Debug)]
pub struct Heap {
    entries: BinaryHeap<Reverse<(Instant, u32)>>,
}

/// An empty heap.
pub fn timers() -> Heap {
    Heap { entries: BinaryHeap::new() }
}

impl Timers for Heap {
    fn arm(&mut self, id: u32, at: Instant) {
        self.entries.push(Reverse((at, id)));
    }

    fn disarm(&mut self, id: u32) {
        self.entries.retain(|Reverse((_, armed))| *armed != id);
    }

    fn next(&mut self) -> Option<Instant> {
        self.entries.peek().map(|Reverse((at, _))| *at)
    }

    fn expire(&mut self, now: Instant) -> Option<u32> {
        let Reverse((at, _)) = self.entries.peek()?;
        if *at > now {
            return None;
        }
        self.entries.pop().map(|Reverse((_, id))| id)
    }

    fn entries(&self) -> usize {
        self.entries.len()
    }
}
