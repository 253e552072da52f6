//! One attempt: a backend that a request was sent to, and what its end tells of that backend.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::http::{Exchange, Side};

use crate::balance::{
    backend::{AttemptOutcome, Backend},
    group::InFlightGuard,
};

/// One backend asked: the slot, the connection (an engine's own type), and what the clock said.
#[derive(Debug)]
pub struct Attempt<S> {
    /// The connection.
    pub connection: S,
    /// Whether it had served before.
    pub reused: bool,
    /// From the first byte of the request to the connection.
    connected_after: Duration,
    sent_at: Instant,
    in_flight: InFlightGuard,
}

impl<S> Attempt<S> {
    /// A connection stands since `now`; the first byte of the request came at `started`.
    pub fn new(in_flight: InFlightGuard, connection: S, reused: bool, started: Instant, now: Instant) -> Self {
        Self { connection, reused, connected_after: now.saturating_duration_since(started), sent_at: now, in_flight }
    }

    /// Who is asked.
    pub fn backend(&self) -> &Arc<Backend> {
        self.in_flight.backend()
    }

    /// It broke off: tells the backend's watchmen.
    pub fn record_failure(&self, now: Instant) {
        self.record_outcome(AttemptOutcome::BackendFailure, now);
    }

    /// It was the last of its request: completes the record, and tells the backend's watchmen. The first byte of the
    /// request came at `started`, that of the response at `first_byte`.
    pub fn finish(&self, exchange: &mut Exchange, started: Instant, first_byte: Option<Instant>, now: Instant) {
        exchange.backend = Some(self.backend().id());
        exchange.times.connected = Some(self.connected_after);
        exchange.times.first_byte = first_byte.map(|first| first.saturating_duration_since(started));
        let latency = first_byte.map(|first| first.saturating_duration_since(self.sent_at));
        self.record_outcome(attempt_outcome(exchange, latency), now);
    }

    fn record_outcome(&self, end: AttemptOutcome, now: Instant) {
        let backend = self.backend();
        if let Some(time) = backend.record_attempt(end, now) {
            tracing::warn!("backend {} is ejected for {time:?}: too many consecutive failures", backend.name());
        }
    }

    /// Gives the connection away, to be kept; the slot is free then.
    pub fn into_connection(self) -> S {
        self.connection
    }
}

/// How the last attempt ended, as far as it tells of the backend.
fn attempt_outcome(exchange: &Exchange, latency: Option<Duration>) -> AttemptOutcome {
    match (exchange.failure.map(|failure| failure.side), latency) {
        (Some(Side::Backend), _) => AttemptOutcome::BackendFailure,
        (Some(Side::Client | Side::Internal), _) | (None, None) => AttemptOutcome::Inconclusive,
        (None, Some(latency)) => AttemptOutcome::Response { status: exchange.status, latency },
    }
}
