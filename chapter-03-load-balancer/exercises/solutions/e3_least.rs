//! Exercise 3.3, solved.
//!
//! The count is given back by `Drop`, which no return, `?` or panic can step over; `finish` has nothing left to do. The
//! choice is counted by `compare_exchange`: if another thread has counted on the same backend in between, what we saw
//! is old, and we look again. A turn among the *tied* ones: an offset into all would give a dead one's turn to its
//! neighbour.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::contracts::{LeastInFlight, Ticket};

/// Requests in flight, counted per backend.
#[derive(Debug)]
pub struct Least {
    in_flight: Arc<[AtomicUsize]>,
    turn: AtomicUsize,
}

/// One request in flight.
#[derive(Debug)]
pub struct InFlight {
    counts: Arc<[AtomicUsize]>,
    backend: usize,
}

/// Counts for so many backends, all idle.
pub fn least(backends: usize) -> Least {
    Least { in_flight: (0..backends).map(|_| AtomicUsize::new(0)).collect(), turn: AtomicUsize::new(0) }
}

impl LeastInFlight for Least {
    type Ticket = InFlight;

    fn choose(&self, up: &[bool]) -> Option<InFlight> {
        // Relaxed throughout: the counts carry no other memory with them.
        let turn = self.turn.fetch_add(1, Relaxed);
        let candidates = || (0..self.in_flight.len()).filter(|backend| up[*backend]);
        loop {
            let fewest = candidates().map(|backend| self.in_flight(backend)).min()?;
            let tied = || candidates().filter(|backend| self.in_flight(*backend) == fewest);
            let count = tied().count().max(1);
            // None, or changed since: another thread was quicker.
            let Some(backend) = tied().nth(turn % count) else { continue };
            if self.in_flight[backend].compare_exchange(fewest, fewest + 1, Relaxed, Relaxed).is_ok() {
                return Some(InFlight { counts: Arc::clone(&self.in_flight), backend });
            }
        }
    }

    fn in_flight(&self, backend: usize) -> usize {
        self.in_flight[backend].load(Relaxed)
    }
}

impl Ticket for InFlight {
    fn backend(&self) -> usize {
        self.backend
    }

    fn finish(self) {}
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.counts[self.backend].fetch_sub(1, Relaxed);
    }
}
