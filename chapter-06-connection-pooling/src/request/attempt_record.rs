//! The record of one attempt.

use std::time::{Duration, Instant};

use common::http::{BackendId, ExchangeFailure};

/// The record of one attempt to get a response from one backend: plain data. A request has several if a connect failed
/// or an exchange was retried.
#[derive(Debug, Clone, Copy)]
pub struct AttemptRecord {
    /// The backend.
    pub backend: BackendId,
    /// Whether it used an idle connection that had served before.
    pub reused: bool,
    /// The status of the backend's final response; `None` if no head of it arrived.
    pub status: Option<u16>,
    /// Why the attempt failed; `None` if the response was relayed whole.
    pub failure: Option<ExchangeFailure>,
    // The durations are computed when they are asked for: without a filter nobody does.
    pub(super) started_at: Instant,
    pub(super) connected_at: Option<Instant>,
    pub(super) first_byte_at: Option<Instant>,
    pub(super) ended_at: Instant,
}

impl AttemptRecord {
    /// How long it took to connect, or to take an idle connection; `None` if there was no connection.
    pub fn connect_time(&self) -> Option<Duration> {
        Some(self.connected_at?.saturating_duration_since(self.started_at))
    }

    /// From the established connection to the first byte of the response; `None` if none arrived.
    pub fn first_byte_time(&self) -> Option<Duration> {
        Some(self.first_byte_at?.saturating_duration_since(self.connected_at?))
    }

    /// From the choice of the backend to the end of the attempt.
    pub fn total_time(&self) -> Duration {
        self.ended_at.saturating_duration_since(self.started_at)
    }
}
