//! Exercise 3.3: least requests in flight (an hour).
//!
//! **Contract.** [`least_requests`] returns a [`LeastRequests`] for this number of backends.
//!
//! - A request goes to the backend, among those that are up, with the fewest requests in flight.
//! - Ties are broken by round robin, so that idle backends get equal shares. The share of a backend that is down goes
//!   to all others, not to its neighbour.
//! - A request is counted until its guard is finished or dropped, including when it fails and returns early, and when
//!   its thread panics. It is released once.
//! - Choosing and counting is atomic: of 400 requests that begin at the same moment, each of four backends gets 100.
//! - A request in flight holds no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::contracts::{LeastRequests, RequestGuard};

/// Requests in flight, counted per backend.
#[derive(Debug)]
pub struct RequestCounters {
    in_flight: Arc<[AtomicUsize]>,
}

/// One request in flight.
#[derive(Debug)]
pub struct InFlightGuard {
    counts: Arc<[AtomicUsize]>,
    backend: usize,
}

/// Counters for `backends` backends, all idle.
pub fn least_requests(backends: usize) -> RequestCounters {
    RequestCounters { in_flight: (0..backends).map(|_| AtomicUsize::new(0)).collect() }
}

impl LeastRequests for RequestCounters {
    type Guard = InFlightGuard;

    fn choose(&self, up: &[bool]) -> Option<InFlightGuard> {
        let candidates = (0..self.in_flight.len()).filter(|backend| up[*backend]);
        let backend = candidates.min_by_key(|backend| self.in_flight(*backend))?;
        self.in_flight[backend].fetch_add(1, Relaxed);
        Some(InFlightGuard { counts: Arc::clone(&self.in_flight), backend })
    }

    fn in_flight(&self, backend: usize) -> usize {
        self.in_flight[backend].load(Relaxed)
    }
}

impl RequestGuard for InFlightGuard {
    fn backend(&self) -> usize {
        self.backend
    }

    fn finish(self) {
        self.counts[self.backend].fetch_sub(1, Relaxed);
    }
}
