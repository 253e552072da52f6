//! Instants that fit an atomic: milliseconds after a fixed one.
//!
//! An `Instant` is opaque, so it cannot be swapped without a lock; a `u64` can. 0 is reserved for "never".

use std::time::{Duration, Instant};

/// The instant from which the milliseconds count: any instant that is not after the first one converted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch(Instant);

impl Epoch {
    pub(super) fn new(at: Instant) -> Self {
        Self(at)
    }

    /// Milliseconds since the epoch, at least 1, because 0 means "never".
    pub(super) fn millis(self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.0)).max(1)
    }

    /// The instant of a value other than "never".
    pub(super) fn instant(self, millis: u64) -> Option<Instant> {
        (millis != 0).then(|| self.0 + Duration::from_millis(millis))
    }
}

/// A duration in milliseconds, as stored in an atomic.
pub(super) fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000).saturating_add(duration.subsec_millis().into())
}
