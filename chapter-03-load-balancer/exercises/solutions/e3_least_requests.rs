//! Exercise 3.3, solved.
//!
//! `Drop` decrements the count, which no return, `?` or panic can skip; `finish` has nothing left to do. The choice is
//! counted with `compare_exchange`: if another thread has counted a request on the same backend in between, the choice
//! is outdated, and the loop retries. The round-robin counter selects among the *tied* backends: an offset into all
//! would give the share of a dead backend to its neighbour.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::contracts::{LeastRequests, RequestGuard};

/// Requests in flight, counted per backend.
#[derive(Debug)]
pub struct RequestCounters {
    in_flight: Arc<[AtomicUsize]>,
    counter: AtomicUsize,
}

/// One request in flight.
#[derive(Debug)]
pub struct InFlightGuard {
    counts: Arc<[AtomicUsize]>,
    backend: usize,
}

/// Counters for `backends` backends, all idle.
pub fn least_requests(backends: usize) -> RequestCounters {
    RequestCounters { in_flight: (0..backends).map(|_| AtomicUsize::new(0)).collect(), counter: AtomicUsize::new(0) }
}

impl LeastRequests for RequestCounters {
    type Guard = InFlightGuard;

    fn choose(&self, up: &[bool]) -> Option<InFlightGuard> {
        // Relaxed throughout: no other memory access depends on the counts.
        let count = self.counter.fetch_add(1, Relaxed);
        let candidates = || (0..self.in_flight.len()).filter(|backend| up[*backend]);
        loop {
            let fewest = candidates().map(|backend| self.in_flight(backend)).min()?;
            let tied = || candidates().filter(|backend| self.in_flight(*backend) == fewest);
            let tied_count = tied().count().max(1);
            // None if another thread has changed the counts in between.
            let Some(backend) = tied().nth(count % tied_count) else { continue };
            if self.in_flight[backend].compare_exchange(fewest, fewest + 1, Relaxed, Relaxed).is_ok() {
                return Some(InFlightGuard { counts: Arc::clone(&self.in_flight), backend });
            }
        }
    }

    fn in_flight(&self, backend: usize) -> usize {
        self.in_flight[backend].load(Relaxed)
    }
}

impl RequestGuard for InFlightGuard {
    fn backend(&self) -> usize {
        self.backend
    }

    fn finish(self) {}
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.counts[self.backend].fetch_sub(1, Relaxed);
    }
}
