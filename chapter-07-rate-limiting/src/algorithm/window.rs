//! The windows of a limit: equal periods, one after the other, from the start of the process.

use std::time::{Duration, Instant};

/// Where in its window a moment is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// The number of the window, from 0.
    pub(super) window: u64,
    /// Nanoseconds since it began.
    pub(super) elapsed: u64,
}

/// Windows of one length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    epoch: Instant,
    length: u64,
}

impl Windows {
    pub(super) fn new(length: Duration, epoch: Instant) -> Self {
        Self { epoch, length: nanos(length) }
    }

    /// The length in nanoseconds.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn position(&self, now: Instant) -> Position {
        let now = nanos(now.saturating_duration_since(self.epoch));
        Position { window: now / self.length, elapsed: now % self.length }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
