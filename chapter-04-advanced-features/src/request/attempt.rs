//! One attempt: a backend that a request was sent to, and what its end tells of that backend.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::http::{Exchange, Side};

use crate::balance::{
    backend::{AttemptEnd, Backend},
    group::InFlight,
};

/// One backend asked: the slot, the connection (an engine's own type), and what the clock said.
#[derive(Debug)]
pub struct Attempt<S> {
    /// The connection.
    pub socket: S,
    /// Whether it had served before.
    pub reused: bool,
    /// From the first byte of the request to the connection.
    connected: Duration,
    sent: Instant,
    taken: InFlight,
}

impl<S> Attempt<S> {
    /// A connection stands since `now`; the first byte of the request came at `started`.
    pub fn new(taken: InFlight, socket: S, reused: bool, started: Instant, now: Instant) -> Self {
        Self { socket, reused, connected: now.saturating_duration_since(started), sent: now, taken }
    }

    /// Who is asked.
    pub fn backend(&self) -> &Arc<Backend> {
        self.taken.backend()
    }

    /// It broke off: tells the backend's watchmen.
    pub fn broke_off(&self, now: Instant) {
        self.judge(AttemptEnd::BrokeOff, now);
    }

    /// It was the last of its request: completes the record, and tells the backend's watchmen. The first byte of the
    /// request came at `started`, that of the response at `first_byte`.
    pub fn close(&self, exchange: &mut Exchange, started: Instant, first_byte: Option<Instant>, now: Instant) {
        exchange.backend = Some(self.backend().id());
        exchange.times.connected = Some(self.connected);
        exchange.times.first_byte = first_byte.map(|first| first.saturating_duration_since(started));
        let latency = first_byte.map(|first| first.saturating_duration_since(self.sent));
        self.judge(end_of(exchange, latency), now);
    }

    fn judge(&self, end: AttemptEnd, now: Instant) {
        let backend = self.backend();
        if let Some(time) = backend.record(end, now) {
            tracing::warn!("backend {} is ejected for {time:?}: too many consecutive failures", backend.name());
        }
    }

    /// Gives the connection away, to be kept; the slot is free then.
    pub fn into_socket(self) -> S {
        self.socket
    }
}

/// How the last attempt ended, as far as it tells of the backend.
fn end_of(exchange: &Exchange, latency: Option<Duration>) -> AttemptEnd {
    match (exchange.failure.map(|failure| failure.side), latency) {
        (Some(Side::Backend), _) => AttemptEnd::BrokeOff,
        (Some(Side::Client | Side::Internal), _) | (None, None) => AttemptEnd::Unjudged,
        (None, Some(latency)) => AttemptEnd::Answered { status: exchange.status, latency },
    }
}
