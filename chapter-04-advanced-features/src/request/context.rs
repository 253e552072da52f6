//! What a request goes through: the group that it is for, who was tried, and the attempt under way.
//!
//! The rules that a request follows stand here, for every engine: when it is let in, when it may wait for a slot, what
//! its end tells of the backend and of the group. An engine adds the waiting.

use std::{sync::Arc, time::Instant};

use common::http::{BackendId, Exchange, Kind, Phase, ProxyError, Side};

use super::local_reply::Trouble;
use crate::{
    balance::{
        backend::{Backend, is_failure},
        group::{Choice, Group, InFlight, Wish},
    },
    health::breaker::{Admission, Change, Probe},
    limit::retry_budget::Retry,
};

/// How often a retry asks the budget, each time after a back-off, before it is given up. With the bounds of the back-off
/// that is half a second.
pub const BUDGET_TRIES: u32 = 5;

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
            Some(Change::Opened) => {
                tracing::error!("group {}: circuit breaker opened: too many failures", self.group.name())
            }
            Some(Change::Closed) => {
                tracing::warn!("group {}: circuit breaker closed: the half-open probe succeeded", self.group.name())
            }
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
