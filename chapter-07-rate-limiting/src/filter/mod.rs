//! The limits on each request's way through the balancer.
//!
//! A request takes one from each limit that applies to it, in the order in which they are configured. The first that
//! has nothing left refuses it, and what the earlier ones took is given back: a request that is refused costs nothing.
//! A head that is answered with 400 never gets here. A request counts once, even if the client disconnects, the balancer
//! retries it, or it becomes an upgrade.

mod accepts_json;
mod checked;
mod connections;
mod counters;
mod limits;
mod ratelimit_fields;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use common::http::{HeaderEdits, LimitId, LocalReply, LocalReplyBody, ResponseInfo, Throttle};
use connection_pooling::{ConnectionPermit, ConnectionRefused, Filter, RequestInfo, WorkerFilter};

use self::{accepts_json::accepts_json, checked::CheckedLimit, limits::Limits, ratelimit_fields::put_ratelimit_fields};
pub use self::{
    connections::{ConnectionLimit, OpenConnection},
    counters::{LimitReport, LimitStats},
    limits::{HeaderStyle, LimiterFactory, LimitsConfig, RateLimits, limiter_for},
};

/// What is kept of one request: the limits that it was checked against, in order. The last may have refused it.
#[derive(Debug, Default)]
pub struct CheckedLimits(Vec<CheckedLimit>);

/// One worker's part of the limits.
#[derive(Debug)]
pub struct WorkerLimits {
    limits: Arc<Limits>,
    worker_id: usize,
}

impl Filter for RateLimits {
    type Worker = WorkerLimits;

    fn inspects_path(&self) -> bool {
        // A dry run changes nothing, so it reads paths as they come.
        self.0.has_paths && !self.0.dry_run
    }

    fn on_connection(&self, peer: IpAddr) -> Result<ConnectionPermit, ConnectionRefused> {
        let Some(limit) = &self.0.connections else { return Ok(None) };
        let permit = limit.try_acquire(peer).ok_or(ConnectionRefused)?;
        Ok(Some(Box::new(permit)))
    }

    fn throttle(&self, peer: IpAddr) -> Option<Box<dyn Throttle>> {
        Some(Box::new(self.0.bandwidth.as_ref()?.throttle(peer)))
    }

    fn for_worker(&self, worker_id: usize) -> WorkerLimits {
        WorkerLimits { limits: Arc::clone(&self.0), worker_id }
    }
}

impl WorkerLimits {
    // ANCHOR: check
    /// Checks the request against each limit that applies; returns the index of the one that refuses it.
    fn check_all(&self, so_far: &mut Vec<CheckedLimit>, request: &RequestInfo<'_>, now: Duration) -> Option<usize> {
        let mut keys = self.limits.hasher.keys_of(request);
        for (index, limit) in self.limits.in_order.iter().enumerate() {
            if !limit.applies_to(request) {
                continue;
            }
            let checked = limit.limiter.check(keys.by(&limit.rule.key), 1, now);
            if !checked.decision.allowed {
                for earlier in &mut *so_far {
                    let limiter = &self.limits.in_order[earlier.limit].limiter;
                    // The client is told what it has now.
                    earlier.checked.decision = limiter.give_back(&earlier.checked, 1, now);
                }
                so_far.push(CheckedLimit { limit: index, checked });
                return Some(index);
            }
            so_far.push(CheckedLimit { limit: index, checked });
        }
        None
    }
    // ANCHOR_END: check

    /// Out of line, as the headers are: inlined into the engine, they made it spill registers, which was a third of what
    /// this filter cost a request without limits.
    #[inline(never)]
    fn check_request(
        &self,
        checked: &mut Vec<CheckedLimit>,
        request: &RequestInfo<'_>,
        now: Instant,
    ) -> Result<(), LocalReply> {
        if self.limits.is_exempt(request) {
            return Ok(());
        }
        let now = self.limits.time(now);
        let refusing = self.check_all(checked, request, now);
        let counters = &self.limits.counters[self.worker_id];
        let (Some(index), Some(last)) = (refusing, checked.last()) else {
            for checked in &*checked {
                counters.count_allowed(checked.limit);
            }
            return Ok(());
        };
        // The earlier ones have got back what they gave.
        counters.count_refused(index);
        if self.limits.dry_run {
            self.limits.in_order[index].log_refusal(request.client, now);
            return Ok(());
        }
        Err(refusal(request, last))
    }
}

fn refusal(request: &RequestInfo<'_>, CheckedLimit { limit, checked }: &CheckedLimit) -> LocalReply {
    let body = if accepts_json(request) { LocalReplyBody::Problem } else { LocalReplyBody::Text };
    let seconds = ratelimit_fields::whole_seconds(checked.decision.retry_after);
    let limit = LimitId(u16::try_from(*limit).unwrap_or(u16::MAX)); // no command line has more
    LocalReply::new(429, "limited").with_limit(limit).with_retry_after(seconds).with_body(body)
}

impl WorkerFilter for WorkerLimits {
    type State = CheckedLimits;

    #[inline]
    fn on_request(
        &self,
        CheckedLimits(checked): &mut CheckedLimits,
        request: &RequestInfo<'_>,
        now: Instant,
    ) -> Result<(), LocalReply> {
        if self.limits.in_order.is_empty() { Ok(()) } else { self.check_request(checked, request, now) }
    }

    #[inline]
    fn on_response_head(
        &self,
        CheckedLimits(checked): &mut CheckedLimits,
        response: &ResponseInfo<'_>,
        edits: &mut HeaderEdits<'_>,
    ) {
        if !checked.is_empty() {
            put_ratelimit_fields(&self.limits, checked, response, edits);
        }
    }

    fn reset(&self, CheckedLimits(checked): &mut CheckedLimits) {
        checked.clear();
    }
}
