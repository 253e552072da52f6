//! What a request goes through: the group that it is for, who was tried, and the attempt under way.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::http::{BackendId, Kind, Phase, ProxyError, Side};
use simple_proxy::socket::Socket;

use crate::{
    backend::{AttemptEnd, Backend},
    group::{Group, InFlight, Wish},
    health::breaker::Probe,
    limit::budget::Retry,
};

/// Why a request gets an answer of our own.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No route leads anywhere.
    NoRoute,
    /// Not now: the group is left alone, or all its backends are at their limits.
    NotNow {
        /// When it may be worth asking again.
        retry_after: Duration,
    },
    /// The exchange failed.
    Failed(ProxyError),
}

impl From<ProxyError> for Trouble {
    fn from(error: ProxyError) -> Self {
        Self::Failed(error)
    }
}

/// One request's way through its group.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) group: Arc<Group>,
    pub(crate) wish: Wish,
    /// Who was asked, or could not be, and is not asked again.
    pub(crate) tried: Vec<BackendId>,
    /// Retries of what was sent. A connect that failed is none: nothing was sent.
    pub(crate) retries: u32,
    /// A connection that had rested has just failed: not another one.
    pub(crate) fresh: bool,
    /// The one request that finds out whether the group is well again.
    pub(crate) probe: Option<Probe>,
    /// The retry under way, within the group's budget.
    pub(crate) retry: Option<Retry>,
    last: Option<ProxyError>,
}

impl Course {
    pub(crate) fn new(group: Arc<Group>, wish: Wish) -> Self {
        let (tried, retries, fresh) = (Vec::new(), 0, false);
        Self { group, wish, tried, retries, fresh, probe: None, retry: None, last: None }
    }

    /// This backend failed the request; it goes on elsewhere.
    pub(crate) fn pass_by(&mut self, backend: &Backend, error: ProxyError) {
        self.tried.push(backend.id());
        self.last = Some(error);
    }

    /// Nobody is left to be asked: what the last one said, or that there was nobody at all.
    pub(crate) fn nobody(&mut self) -> Trouble {
        let nobody = || ProxyError::new(Kind::Unavailable, Side::Internal, Phase::Connect);
        Trouble::Failed(self.last.take().unwrap_or_else(nobody))
    }
}

/// One backend asked: the slot, the connection, and what the clock said.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) socket: Socket,
    pub(crate) reused: bool,
    /// From the first byte of the request to the connection.
    pub(crate) connected: Duration,
    sent: Instant,
    taken: InFlight,
}

impl Attempt {
    pub(crate) fn new(taken: InFlight, socket: Socket, reused: bool, connected: Duration, sent: Instant) -> Self {
        Self { socket, reused, connected, sent, taken }
    }

    pub(crate) fn backend(&self) -> &Arc<Backend> {
        self.taken.backend()
    }

    /// How long the first byte of the response took.
    pub(crate) fn latency(&self, first_byte: Option<Instant>) -> Option<Duration> {
        first_byte.map(|at| at.saturating_duration_since(self.sent))
    }

    /// Tells the backend's watchmen how it ended.
    pub(crate) fn judge(&self, end: AttemptEnd, now: Instant) {
        let backend = self.backend();
        if let Some(time) = backend.record(end, now) {
            tracing::warn!("{} is ejected for {time:?}: one failure after another", backend.name());
        }
    }

    /// Gives the connection away, to be kept.
    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }
}
