//! What a policy may know about a backend: its name's hash, its weight, its load, how fast it was of late.
//!
//! The policies pick among anything that can answer these four questions. So they are tested with numbers and
//! driven by the threads of chapter 4, the loops of chapter 5 and the runtimes of chapter 6 alike.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// One of those to pick from.
///
/// All of it is asked on the request path, by many threads at once: an answer is a field or one relaxed load.
pub trait Candidate {
    /// A hash of the backend's *name* ([`super::hash::hash`]): the same after a restart, in every process of a
    /// fleet, and whatever the order in the configuration. Two candidates never share one.
    fn name_hash(&self) -> u64;

    /// Its share relative to the others. Zero is not pickable and has no place here; it is taken as 1.
    fn weight(&self) -> u32;

    /// Requests sent to it and not yet answered.
    fn in_flight(&self) -> u32;

    /// How long it takes to answer, as [`super::peak_ewma::PeakEwma`] sees it; zero if nothing is known.
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

/// What the tables of the consistent hashes are built from: what does not change from request to request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashedCandidate {
    /// As [`Candidate::key`].
    pub name_hash: u64,
    /// As [`Candidate::weight`].
    pub weight: u32,
}

impl HashedCandidate {
    /// What of a candidate does not change.
    pub fn new(candidate: &impl Candidate) -> Self {
        Self { name_hash: candidate.name_hash(), weight: candidate.weight().max(1) }
    }
}
