//! One attempt: a request sent to one backend, and what its outcome says about that backend.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::http::{Exchange, ExchangeFailure, FailureKind, Side};

use crate::balance::{
    backend::{AttemptOutcome, Backend},
    group::InFlightGuard,
};

/// An attempt on one backend: the slot it holds, the connection (an engine's own type), and its timestamps.
#[derive(Debug)]
pub struct Attempt<S> {
    /// The connection to the backend.
    pub connection: S,
    /// Whether the connection has served an earlier request.
    pub reused: bool,
    /// From the first byte of the request to the established connection.
    connected_after: Duration,
    in_flight: InFlightGuard,
}

impl<S> Attempt<S> {
    /// An attempt whose connection is established at `now`; the first byte of the request arrived at `started`.
    pub fn new(in_flight: InFlightGuard, connection: S, reused: bool, started: Instant, now: Instant) -> Self {
        // Mostly the same reading of the clock: a comparison takes a fraction of a subtraction.
        let connected_after = if now == started { Duration::ZERO } else { now.saturating_duration_since(started) };
        Self { connection, reused, connected_after, in_flight }
    }

    /// The backend of this attempt.
    pub fn backend(&self) -> &Arc<Backend> {
        self.in_flight.backend()
    }

    /// Records a failure with the backend's passive health checks; a retry follows.
    pub fn record_failure(&self, now: Instant) {
        self.record_outcome(AttemptOutcome::BackendFailure, now);
    }

    /// Completes the exchange record of a request's last attempt, and records the outcome with the backend's passive
    /// health checks. The first byte of the request arrived at `started`, that of the response at `first_byte`.
    pub fn finish(&self, exchange: &mut Exchange, started: Instant, first_byte: Option<Instant>, now: Instant) {
        exchange.backend = Some(self.backend().id());
        exchange.times.connected = Some(self.connected_after);
        exchange.times.first_byte = first_byte.map(|first| first.saturating_duration_since(started));
        if self.reused && backend_closed_before_response(exchange) {
            self.backend().keep_alive.record_close(Duration::ZERO);
        }
        let latency = exchange.times.first_byte.map(|first_byte| first_byte.saturating_sub(self.connected_after));
        self.record_outcome(attempt_outcome(exchange, latency), now);
    }

    fn record_outcome(&self, outcome: AttemptOutcome, now: Instant) {
        let backend = self.backend();
        if let Some(time) = backend.record_attempt(outcome, now) {
            tracing::warn!("backend {} is ejected for {time:?}: too many consecutive failures", backend.name());
        }
    }

    /// Returns the slot. The connection was reused, and the backend had closed it.
    pub fn into_slot(self) -> InFlightGuard {
        self.backend().keep_alive.record_close(Duration::ZERO);
        self.in_flight
    }

    /// Returns the connection, so that it can be pooled, and the slot.
    pub fn into_parts(self) -> (S, InFlightGuard) {
        (self.connection, self.in_flight)
    }
}

/// A timeout is no close: the backend may be slow.
fn backend_closed_before_response(exchange: &Exchange) -> bool {
    let is_close = |failure: ExchangeFailure| {
        failure.side == Side::Backend && matches!(failure.kind, FailureKind::Reset | FailureKind::IncompleteMessage)
    };
    !exchange.has_response && exchange.failure.is_some_and(is_close)
}

/// The outcome of the last attempt, as far as it says something about the backend.
fn attempt_outcome(exchange: &Exchange, latency: Option<Duration>) -> AttemptOutcome {
    match (exchange.failure.map(|failure| failure.side), latency) {
        (Some(Side::Backend), _) => AttemptOutcome::BackendFailure,
        (Some(Side::Client | Side::Internal), _) | (None, None) => AttemptOutcome::Inconclusive,
        (None, Some(latency)) => AttemptOutcome::Response { status: exchange.status, latency },
    }
}
