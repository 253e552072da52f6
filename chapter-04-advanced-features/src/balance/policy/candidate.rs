//! What a policy may know about a backend: the hash of its name, its weight, its load, its recent latency.
//!
//! The policies pick among anything that implements these four methods. So the tests use plain numbers, and the threads
//! of chapter 4, the event loops of chapter 5 and the runtimes of chapter 6 use the same code.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A candidate of a pick.
///
/// All methods are called on the request path, by many threads at once: each returns a field or does one relaxed load.
pub trait Candidate {
    /// A hash of the backend's *name* ([`super::hash::hash`]): the same after a restart, in every process of a
    /// fleet, and whatever the order in the configuration. Two candidates never share one.
    fn name_hash(&self) -> u64;

    /// Its share relative to the others. A backend of weight 0 is never a candidate; 0 is taken as 1.
    fn weight(&self) -> u32;

    /// Requests in flight to it.
    fn in_flight(&self) -> u32;

    /// Its latency, as [`super::peak_ewma::PeakEwma`] estimates it; zero if unknown.
    fn latency(&self, now: Instant) -> Duration;
}

impl<T: Candidate + ?Sized> Candidate for Arc<T> {
    fn name_hash(&self) -> u64 {
        (**self).name_hash()
    }

    fn weight(&self) -> u32 {
        (**self).weight()
    }

    fn in_flight(&self) -> u32 {
        (**self).in_flight()
    }

    fn latency(&self, now: Instant) -> Duration {
        (**self).latency(now)
    }
}

/// The input of the consistent hashes' tables: what does not change from request to request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashedCandidate {
    /// As [`Candidate::name_hash`].
    pub name_hash: u64,
    /// As [`Candidate::weight`].
    pub weight: u32,
}

impl HashedCandidate {
    /// The parts of a candidate that do not change.
    pub fn new(candidate: &impl Candidate) -> Self {
        Self { name_hash: candidate.name_hash(), weight: candidate.weight().max(1) }
    }
}
