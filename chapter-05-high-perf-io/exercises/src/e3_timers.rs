//! Exercise 5.3: a heap of timers (an hour).
//!
//! **Contract.** [`timers`] makes [`Timers`], held to the laws of this chapter's wheel, and to the nanosecond:
//!
//! - A timer fires once, at the first `expire` whose `now` is not before its time. Of those that are due the first comes
//!   first; among equal ones any.
//! - A timer that is armed again has only its new time, be that earlier or later. One that is disarmed never fires.
//! - `next` is the time of a timer that is armed, the first of them: a loop must not wake for one that was moved.
//! - However often timers are moved, at most twice as many entries are kept as timers are armed, and 64 besides.
//! - With 100,000 timers armed, to move one costs microseconds at most.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::contracts::Timers;

/// Deadlines in a heap.
#[derive(Debug)]
pub struct Heap {
    entries: BinaryHeap<Reverse<(Instant, u32)>>,
}

/// Without any timer.
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
