//! The context of one request: its group, the backends already tried, and its retries.
//!
//! The rules that a request follows are here, for every engine: when it is admitted, when it may queue for a slot, when
//! it may be retried, and what its outcome says about the group. An engine adds the waiting.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::http::{BackendId, Exchange, FailureKind, LocalReply, Phase, ProxyError, RouteId, Side};

use super::{error::RequestError, local_reply};
use crate::{
    balance::{
        backend::Backend,
        group::{Affinity, Group, InFlightGuard, Selection},
        router::RouteDecision,
    },
    health::breaker::{Admission, Breaker, BreakerPermit, BreakerTransition},
    limit::{adaptive::AdaptiveSlot, retry_budget::RetryPermit},
};

/// How often a retry asks the budget, each time after a back-off, before it fails. With the bounds of the back-off that
/// takes about half a second.
/// When a backend dies, all its requests fail at once: failing those beyond the budget of 20 % would lose most of them,
/// and retrying 20 % at a time is quick enough to serve them all.
pub const MAX_RETRY_BUDGET_CHECKS: u32 = 5;

/// The next step of a request.
#[derive(Debug)]
pub enum Dispatch {
    /// Go to this backend; its slot is held.
    Backend(InFlightGuard),
    /// Enter the group's queue: every eligible backend is at its limit, or other requests are queued already.
    Queue,
}

/// A request's time in its group's queue.
#[derive(Debug)]
enum QueueTime {
    NotQueued,
    Since(Instant),
    Waited(Duration),
}

/// The state of one request in its group.
#[derive(Debug)]
pub struct RequestContext {
    /// The group that the request is routed to.
    pub group: Arc<Group>,
    /// Its affinity to a backend of that group.
    pub affinity: Affinity,
    /// The rule that it matched.
    route: Option<RouteId>,
    queue_time: QueueTime,
    /// Backends that failed this request, or could not be connected to. They are not tried again.
    tried: Vec<BackendId>,
    /// Retries after the request was sent. A failed connect does not count: nothing was sent.
    retries: u32,
    /// A reused connection has just failed: the next attempt opens a new one.
    pub needs_fresh_connection: bool,
    kept_slot: Option<InFlightGuard>,
    /// Its slot of the group's adaptive limit, over all its attempts until the first byte of a response.
    group_slot: Option<AdaptiveSlot>,
    /// Set if this request is the half-open probe of the group's breaker.
    half_open_probe: Option<BreakerPermit>,
    /// The permit of the current retry, within the group's budget.
    retry_permit: Option<RetryPermit>,
    last_error: Option<ProxyError>,
}

impl RequestContext {
    /// A request that was routed as `decision` says.
    pub fn new(RouteDecision { group, affinity, route }: RouteDecision) -> Self {
        let (tried, retries, needs_fresh_connection) = (Vec::new(), 0, false);
        Self {
            group,
            affinity,
            route,
            queue_time: QueueTime::NotQueued,
            tried,
            retries,
            needs_fresh_connection,
            kept_slot: None,
            group_slot: None,
            half_open_probe: None,
            retry_permit: None,
            last_error: None,
        }
    }

    /// Admits the request, unless its group's breaker is open.
    ///
    /// # Errors
    /// The local reply for the client.
    pub fn admit(&mut self, now: Instant) -> Result<(), LocalReply> {
        match self.group.breaker.admit(now) {
            Admission::Closed => {}
            Admission::HalfOpen(probe) => self.half_open_probe = Some(probe),
            Admission::Rejected { retry_after } => return Err(local_reply::breaker_open(retry_after)),
        }
        Ok(())
    }

    /// Chooses a backend and takes a slot of it, or tells the request to queue for one.
    ///
    /// # Errors
    /// No backend is left that the request may go to.
    pub fn choose(&mut self, now: Instant) -> Result<Dispatch, RequestError> {
        if let Some(in_flight) = self.kept_slot.take() {
            return Ok(Dispatch::Backend(in_flight));
        }
        let is_first_attempt = self.tried.is_empty();
        // Queued requests came first. A request whose backend failed has waited already, so it does not queue again.
        if is_first_attempt && !self.group.queue.is_empty() {
            return Ok(self.queue_from(now));
        }
        match self.acquire_slots(now) {
            Selection::Backend(in_flight) => Ok(Dispatch::Backend(in_flight)),
            Selection::AllAtLimit if is_first_attempt => Ok(self.queue_from(now)),
            Selection::AllAtLimit | Selection::NoBackend => Err(self.no_backend_error()),
        }
    }

    /// Takes a slot of a backend, and one of the group's adaptive limit if it has one and the request none yet.
    fn acquire_slots(&mut self, now: Instant) -> Selection {
        let limit = self.group.adaptive_limit.as_ref().filter(|_| self.group_slot.is_none());
        // Asked first: a backend's slot that is taken and released wakes the next request, which may be this one.
        if limit.is_some_and(|limit| limit.is_at_limit()) {
            return Selection::AllAtLimit;
        }
        let selection = self.group.choose(now, self.affinity, &self.tried);
        if let (Some(limit), Selection::Backend(_)) = (limit, &selection) {
            self.group_slot = limit.try_acquire();
            if self.group_slot.is_none() {
                return Selection::AllAtLimit; // another request took the last one in between
            }
        }
        selection
    }

    /// The request's slot of the group's adaptive limit: take it, and record the response, once its first byte has
    /// arrived or it has timed out. `None` without such a limit.
    pub fn take_group_slot(&mut self) -> Option<AdaptiveSlot> {
        self.group_slot.take()
    }

    /// The next [`choose`](Self::choose) returns this slot: for an attempt on a reused connection that broke
    /// before a response began. Released, the slot would go to the first request in the queue, and this one would queue again, behind
    /// all others.
    pub fn keep_slot(&mut self, in_flight: InFlightGuard) {
        self.kept_slot = Some(in_flight);
    }

    fn queue_from(&mut self, now: Instant) -> Dispatch {
        self.queue_time = QueueTime::Since(now);
        Dispatch::Queue
    }

    /// The request has left the queue, if it was in it.
    fn leave_queue(&mut self, now: Instant) {
        if let QueueTime::Since(since) = self.queue_time {
            self.queue_time = QueueTime::Waited(now.saturating_duration_since(since));
        }
    }

    /// Chooses for a request at the head of its group's queue; `None`: it keeps waiting.
    ///
    /// # Errors
    /// No backend is left that the request may go to.
    pub fn choose_from_queue(&mut self, now: Instant) -> Result<Option<InFlightGuard>, RequestError> {
        match self.acquire_slots(now) {
            Selection::Backend(in_flight) => {
                self.leave_queue(now);
                Ok(Some(in_flight))
            }
            Selection::AllAtLimit => Ok(None),
            Selection::NoBackend => Err(self.no_backend_error()),
        }
    }

    /// An exchange failed after the request was sent: whether its group's policy lets it be retried. If so, wait a back-off and call [`acquire_retry_permit`](Self::acquire_retry_permit), up to
    /// [`MAX_RETRY_BUDGET_CHECKS`] times.
    pub fn begin_retry(&mut self) -> bool {
        let may = self.retries < self.group.policy().max_retries;
        self.retries += u32::from(may);
        // The permit of an earlier retry goes back to the budget first.
        self.retry_permit = None;
        may
    }

    /// Takes a permit from the group's retry budget, if it is not exhausted.
    pub fn acquire_retry_permit(&mut self) -> bool {
        self.retry_permit = self.group.retry_budget.try_acquire(self.group.in_flight());
        self.retry_permit.is_some()
    }

    /// Records that this backend failed the request with `error`, so that it is not tried again.
    /// After a failed connect this takes neither a retry nor a permit of the budget: nothing was sent, so nothing runs
    /// twice. Only a retry of a sent request takes both.
    pub fn exclude_backend(&mut self, backend: &Backend, error: ProxyError) {
        self.tried.push(backend.id());
        self.last_error = Some(error);
    }

    /// Whether a backend has failed the request.
    pub fn has_tried(&self) -> bool {
        !self.tried.is_empty()
    }

    /// The `Set-Cookie` value that ties the client to `backend`, unless the client has sent that cookie.
    pub fn set_cookie_for(&self, backend: &Backend) -> Option<String> {
        let (sticky, value) = (self.group.sticky_cookie()?, backend.sticky_value()?);
        (self.affinity.sticky_backend != Some(backend.id())).then(|| sticky.set_cookie(value))
    }

    /// The request has ended: completes its record, and records the outcome with the group's breaker.
    pub fn finish(&mut self, exchange: &mut Exchange, now: Instant) {
        self.leave_queue(now);
        (exchange.group, exchange.route) = (self.group.id(), self.route);
        if let QueueTime::Waited(time) = self.queue_time {
            exchange.times.queued = Some(time);
        }
        exchange.retries = u8::try_from(self.tried.len()).unwrap_or(u8::MAX);
        // Dropped without a record, the permit goes back, and the next request becomes the probe.
        let probe = self.half_open_probe.take();
        let Some(failed) = group_failed(exchange, &self.group.breaker) else { return };
        let transition = self.group.breaker.record(probe, failed, now);
        let name = self.group.name();
        match transition {
            Some(closed @ BreakerTransition::Closed) => tracing::warn!("group {name}: {closed}"),
            Some(open) => tracing::error!("group {name}: {open}"),
            None => {}
        }
    }

    /// The error when no backend is left: that of the last backend, or 503 if none was tried.
    fn no_backend_error(&mut self) -> RequestError {
        let unavailable = || ProxyError::new(FailureKind::Unavailable, Side::Internal, Phase::Connect);
        RequestError::Failed(self.last_error.take().unwrap_or_else(unavailable))
    }
}

/// Whether the group failed this request. `None` if its end says nothing about the group: the client left before the
/// response began, or the balancer answered itself. Taking that for a success would let clients that give up on a group
/// close its breaker, or keep it from opening. A client that leaves later does not matter: the backend has responded.
fn group_failed(exchange: &Exchange, breaker: &Breaker) -> Option<bool> {
    match exchange.failure {
        Some(failure) if failure.side == Side::Backend => Some(true),
        _ if exchange.local_reply || !exchange.has_response => None,
        _ => Some(breaker.is_failure(exchange.status)),
    }
}

#[cfg(test)]
mod tests {
    use common::http::{ExchangeFailure, PhaseTimes};

    use super::*;
    use crate::health::breaker::BreakerConfig;

    fn exchange(status: u16, local_reply: bool, failure: Option<(Side, FailureKind)>) -> Exchange {
        Exchange {
            method: None,
            status,
            backend: None,
            group: None,
            route: None,
            reused: false,
            retries: 0,
            local_reply,
            has_response: !local_reply && status != 499,
            bytes_from_client: 0,
            bytes_from_backend: 0,
            times: PhaseTimes::default(),
            failure: failure.map(|(side, kind)| ExchangeFailure { kind, side, phase: Phase::Response }),
            end_reason: "",
        }
    }

    #[test]
    fn only_what_the_backends_did_is_judged() {
        let breaker = Breaker::new(BreakerConfig::default(), common::clock::now());
        for (status, local_reply, failure, judged) in [
            (200, false, None, Some(false)),
            (404, false, None, Some(false)),
            (500, false, None, Some(false)),
            (503, false, None, Some(true)),
            (502, true, Some((Side::Backend, FailureKind::Connect)), Some(true)),
            (504, true, Some((Side::Backend, FailureKind::Timeout)), Some(true)),
            (200, false, Some((Side::Backend, FailureKind::IncompleteMessage)), Some(true)),
            (499, false, Some((Side::Client, FailureKind::Reset)), None),
            (200, false, Some((Side::Client, FailureKind::Reset)), Some(false)),
            (503, false, Some((Side::Client, FailureKind::Reset)), Some(true)),
            (101, false, Some((Side::Internal, FailureKind::Timeout)), Some(false)),
            (408, true, Some((Side::Client, FailureKind::Timeout)), None),
            (503, true, Some((Side::Internal, FailureKind::Unavailable)), None),
            (429, true, None, None),
        ] {
            let exchange = exchange(status, local_reply, failure);
            assert_eq!(group_failed(&exchange, &breaker), judged, "{status} {failure:?}");
        }
    }
}
