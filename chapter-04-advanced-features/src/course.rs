//! What a request goes through: the group that it is for, who was tried, and the attempt under way.
//!
//! The rules that a request follows stand here, for every engine: when it is let in, when it may wait for a slot, what
//! its end tells of the backend and of the group. An engine adds the waiting.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use common::http::{BackendId, Exchange, Kind, Phase, ProxyError, Relay, Side};

use crate::{
    backend::{AttemptEnd, Backend, is_failure},
    group::{Choice, Group, InFlight, Wish},
    health::breaker::{Admission, Change, Probe},
    limit::budget::Retry,
};

/// How often a retry asks the budget, each time after a back-off, before it is given up. With the bounds of the back-off
/// that is half a second.
pub const BUDGET_TRIES: u32 = 5;

/// Why a request gets an answer of our own.
#[derive(Debug)]
pub enum Trouble {
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

impl Trouble {
    /// What a client is told that finds all backends at their limits.
    pub const FULL: Self = Self::NotNow { retry_after: Duration::from_secs(1) };

    /// Answers in the backend's place.
    pub fn answer(&self, relay: &mut Relay, now: SystemTime) {
        match self {
            Self::NoRoute => relay.answer(404, now, &[]),
            Self::NotNow { retry_after } => {
                let seconds = retry_after.as_secs_f64().ceil().max(1.0).to_string();
                relay.answer(503, now, &[("Retry-After", &seconds)]);
            }
            Self::Failed(error) => relay.fail(error, now),
        }
    }
}

impl From<ProxyError> for Trouble {
    fn from(error: ProxyError) -> Self {
        Self::Failed(error)
    }
}

/// Where a request goes next.
#[derive(Debug)]
pub enum Next {
    /// To this backend, with a slot of its.
    Backend(InFlight),
    /// Into the group's queue: whom it may go to is at its limit, or others wait already.
    Queue,
}

/// One request's way through its group.
#[derive(Debug)]
pub struct Course {
    /// The group that it is for.
    pub group: Arc<Group>,
    /// What it wants there.
    pub wish: Wish,
    /// Who was asked, or could not be, and is not asked again.
    tried: Vec<BackendId>,
    /// Retries of what was sent. A connect that failed is none: nothing was sent.
    retries: u32,
    /// A connection that had rested has just failed: not another one.
    pub fresh: bool,
    /// The one request that finds out whether the group is well again.
    probe: Option<Probe>,
    /// The retry under way, within the group's budget.
    retry: Option<Retry>,
    last: Option<ProxyError>,
}

impl Course {
    /// A request for `group`.
    pub fn new(group: Arc<Group>, wish: Wish) -> Self {
        let (tried, retries, fresh) = (Vec::new(), 0, false);
        Self { group, wish, tried, retries, fresh, probe: None, retry: None, last: None }
    }

    /// Lets the request in, unless its group is left alone.
    ///
    /// # Errors
    /// What its client is told.
    pub fn admit(&mut self, now: Instant) -> Result<(), Trouble> {
        match self.group.breaker.admit(now) {
            Admission::Closed => {}
            Admission::Probe(probe) => self.probe = Some(probe),
            Admission::Refused { retry_after } => return Err(Trouble::NotNow { retry_after }),
        }
        Ok(())
    }

    /// Chooses a backend and takes a slot of it, or says that the request has to wait for one.
    ///
    /// # Errors
    /// Nobody is left that it may go to.
    pub fn choose(&mut self, now: Instant) -> Result<Next, Trouble> {
        let is_first_try = self.tried.is_empty();
        // Who waits was here before; who has been served by a backend that failed has waited already.
        if is_first_try && !self.group.queue.is_empty() {
            return Ok(Next::Queue);
        }
        match self.group.choose(now, self.wish, &self.tried) {
            Choice::Backend(taken) => Ok(Next::Backend(taken)),
            Choice::Full if is_first_try => Ok(Next::Queue),
            Choice::Full | Choice::Nobody => Err(self.nobody()),
        }
    }

    /// Chooses for a request that is the first of its group's queue; `None`: it waits on.
    ///
    /// # Errors
    /// Nobody is left that it may go to.
    pub fn choose_in_turn(&mut self, now: Instant) -> Result<Option<InFlight>, Trouble> {
        match self.group.choose(now, self.wish, &self.tried) {
            Choice::Backend(taken) => Ok(Some(taken)),
            Choice::Full => Ok(None),
            Choice::Nobody => Err(self.nobody()),
        }
    }

    /// What was sent has failed: whether it may be sent again, if each request may `most` times. Then, up to
    /// [`BUDGET_TRIES`] times, wait a back-off and [`take_retry`](Self::take_retry).
    pub fn may_try_again(&mut self, most: u32) -> bool {
        let may = self.retries < most;
        self.retries += u32::from(may);
        // What a retry before this one took of the budget comes back first.
        self.retry = None;
        may
    }

    /// Takes a retry from the group's budget, if that is not spent.
    pub fn take_retry(&mut self) -> bool {
        self.retry = self.group.budget.try_take(self.group.in_flight());
        self.retry.is_some()
    }

    /// This backend failed the request; it goes on elsewhere.
    pub fn pass_by(&mut self, backend: &Backend, error: ProxyError) {
        self.tried.push(backend.id());
        self.last = Some(error);
    }

    /// The `Set-Cookie` that is to bring the client back to `backend`, unless it has that cookie already.
    pub fn cookie(&self, backend: &Backend) -> Option<String> {
        let (sticky, value) = (self.group.sticky()?, backend.sticky()?);
        (self.wish.sticky != Some(backend.id())).then(|| sticky.set_cookie(value))
    }

    /// The request has ended: completes its record, and tells the group.
    pub fn close(&mut self, exchange: &mut Exchange, now: Instant) {
        exchange.retries = u8::try_from(self.tried.len()).unwrap_or(u8::MAX);
        match self.group.breaker.record(self.probe.take(), is_bad(exchange), now) {
            Some(Change::Opened) => tracing::error!("group {} is left alone: it fails", self.group.name()),
            Some(Change::Closed) => tracing::warn!("group {} is asked again: it answers", self.group.name()),
            None => {}
        }
    }

    /// Nobody is left to be asked: what the last one said, or that there was nobody at all.
    fn nobody(&mut self) -> Trouble {
        let nobody = || ProxyError::new(Kind::Unavailable, Side::Internal, Phase::Connect);
        Trouble::Failed(self.last.take().unwrap_or_else(nobody))
    }
}

/// Whether the group has failed this request.
fn is_bad(exchange: &Exchange) -> bool {
    match exchange.failure {
        Some(failure) => failure.side == Side::Backend,
        None => !exchange.own_answer && is_failure(exchange.status),
    }
}

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
            tracing::warn!("{} is ejected for {time:?}: one failure after another", backend.name());
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
