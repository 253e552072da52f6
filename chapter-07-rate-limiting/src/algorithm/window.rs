//! The windows of a limit: equal periods, one after the other, from the moment that times are counted from.

use std::time::Duration;

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
    length: u64,
}

impl Windows {
    pub(super) fn new(length: Duration) -> Self {
        Self { length: nanos(length) }
    }

    /// The length in nanoseconds.
    pub(super) fn length(self) -> u64 {
        self.length
    }

    pub(super) fn position(self, now: Duration) -> Position {
        let now = nanos(now);
        Position { window: now / self.length, elapsed: now % self.length }
    }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into())
}
