//! The record of one attempt.

use std::time::Duration;

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
    /// How long it took to connect, or to take an idle connection; `None` if there was no connection.
    pub connect: Option<Duration>,
    /// From then to the first byte of the response.
    pub first_byte: Option<Duration>,
    /// From the choice of the backend to the end of the attempt.
    pub total: Duration,
}
