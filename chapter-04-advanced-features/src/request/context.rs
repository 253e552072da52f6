//! What a request goes through: the group that it is for, who was tried, and the attempt under way.
//!
//! The rules that a request follows stand here, for every engine: when it is let in, when it may wait for a slot, what
//! its end tells of the backend and of the group. An engine adds the waiting.

use std::{sync::Arc, time::Instant};

use common::http::{BackendId, Exchange, FailureKind, Phase, ProxyError, Side};

use super::local_reply::LocalReply;
use crate::{
    balance::{
        backend::{Backend, is_server_error},
        group::{Affinity, Choice, Group, InFlightGuard},
    },
    health::breaker::{Admission, BreakerPermit, BreakerTransition},
    limit::retry_budget::RetryPermit,
};

/// How often a retry asks the budget, each time after a back-off, before it is given up. With the bounds of the back-off
/// that is half a second.
pub const MAX_BUDGET_CHECKS: u32 = 5;

/// Where a request goes next.
#[derive(Debug)]
pub enum Dispatch {
    /// To this backend, with a slot of its.
    Backend(InFlightGuard),
    /// Into the group's queue: whom it may go to is at its limit, or others wait already.
    Queue,
}

/// One request's way through its group.
#[derive(Debug)]
pub struct RequestContext {
    /// The group that it is for.
    pub group: Arc<Group>,
    /// What it wants there.
    pub affinity: Affinity,
    /// Who was asked, or could not be, and is not asked again.
    tried: Vec<BackendId>,
    /// Retries of what was sent. A connect that failed is none: nothing was sent.
    retries: u32,
    /// A connection that had rested has just failed: not another one.
    pub needs_fresh_connection: bool,
    /// The one request that finds out whether the group is well again.
    half_open_probe: Option<BreakerPermit>,
    /// The retry under way, within the group's budget.
    retry_permit: Option<RetryPermit>,
    last_error: Option<ProxyError>,
}

impl RequestContext {
    /// A request for `group`.
    pub fn new(group: Arc<Group>, affinity: Affinity) -> Self {
        let (tried, retries, needs_fresh_connection) = (Vec::new(), 0, false);
        Self {
            group,
            affinity,
            tried,
            retries,
            needs_fresh_connection,
            half_open_probe: None,
            retry_permit: None,
            last_error: None,
        }
    }

    /// Lets the request in, unless its group is left alone.
    ///
    /// # Errors
    /// What its client is told.
    pub fn admit(&mut self, now: Instant) -> Result<(), LocalReply> {
        match self.group.breaker.admit(now) {
            Admission::Closed => {}
            Admission::HalfOpen(probe) => self.half_open_probe = Some(probe),
            Admission::Rejected { retry_after } => return Err(LocalReply::ServiceUnavailable { retry_after }),
        }
        Ok(())
    }

    /// Chooses a backend and takes a slot of it, or says that the request has to wait for one.
    ///
    /// # Errors
    /// Nobody is left that it may go to.
    pub fn choose(&mut self, now: Instant) -> Result<Dispatch, LocalReply> {
        let is_first_attempt = self.tried.is_empty();
        // Who waits was here before; who has been served by a backend that failed has waited already.
        if is_first_attempt && !self.group.queue.is_empty() {
            return Ok(Dispatch::Queue);
        }
        match self.group.choose(now, self.affinity, &self.tried) {
            Choice::Backend(in_flight) => Ok(Dispatch::Backend(in_flight)),
            Choice::AllAtLimit if is_first_attempt => Ok(Dispatch::Queue),
            Choice::AllAtLimit | Choice::NoBackend => Err(self.no_backend_reply()),
        }
    }

    /// Chooses for a request that is the first of its group's queue; `None`: it waits on.
    ///
    /// # Errors
    /// Nobody is left that it may go to.
    pub fn choose_from_queue(&mut self, now: Instant) -> Result<Option<InFlightGuard>, LocalReply> {
        match self.group.choose(now, self.affinity, &self.tried) {
            Choice::Backend(in_flight) => Ok(Some(in_flight)),
            Choice::AllAtLimit => Ok(None),
            Choice::NoBackend => Err(self.no_backend_reply()),
        }
    }

    /// What was sent has failed: whether it may be sent again, if each request may `most` times. Then, up to
    /// [`BUDGET_TRIES`] times, wait a back-off and [`take_retry`](Self::take_retry).
    pub fn begin_retry(&mut self, max_retries: u32) -> bool {
        let may = self.retries < max_retries;
        self.retries += u32::from(may);
        // What a retry before this one took of the budget comes back first.
        self.retry_permit = None;
        may
    }

    /// Takes a retry from the group's budget, if that is not spent.
    pub fn acquire_retry_permit(&mut self) -> bool {
        self.retry_permit = self.group.retry_budget.try_acquire(self.group.in_flight());
        self.retry_permit.is_some()
    }

    /// This backend failed the request; it goes on elsewhere.
    pub fn exclude_backend(&mut self, backend: &Backend, error: ProxyError) {
        self.tried.push(backend.id());
        self.last_error = Some(error);
    }

    /// The `Set-Cookie` that is to bring the client back to `backend`, unless it has that cookie already.
    pub fn set_cookie_for(&self, backend: &Backend) -> Option<String> {
        let (sticky, value) = (self.group.sticky()?, backend.sticky_value()?);
        (self.affinity.sticky_backend != Some(backend.id())).then(|| sticky.set_cookie(value))
    }

    /// The request has ended: completes its record, and tells the group.
    pub fn finish(&mut self, exchange: &mut Exchange, now: Instant) {
        exchange.retries = u8::try_from(self.tried.len()).unwrap_or(u8::MAX);
        match self.group.breaker.record(self.half_open_probe.take(), is_group_failure(exchange), now) {
            Some(BreakerTransition::Opened) => {
                tracing::error!("group {}: circuit breaker opened: too many failures", self.group.name())
            }
            Some(BreakerTransition::Closed) => {
                tracing::warn!("group {}: circuit breaker closed: the half-open probe succeeded", self.group.name())
            }
            None => {}
        }
    }

    /// Nobody is left to be asked: what the last one said, or that there was nobody at all.
    fn no_backend_reply(&mut self) -> LocalReply {
        let nobody = || ProxyError::new(FailureKind::Unavailable, Side::Internal, Phase::Connect);
        LocalReply::Failed(self.last_error.take().unwrap_or_else(nobody))
    }
}

/// Whether the group has failed this request.
fn is_group_failure(exchange: &Exchange) -> bool {
    match exchange.failure {
        Some(failure) => failure.side == Side::Backend,
        None => !exchange.local_reply && is_server_error(exchange.status),
    }
}
