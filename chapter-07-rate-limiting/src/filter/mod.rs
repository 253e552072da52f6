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

use std::{net::IpAddr, sync::Arc, time::Instant};

use common::http::{HeaderEdits, LocalReply, LocalReplyBody, ResponseInfo};
use connection_pooling::{ConnectionPermit, ConnectionRefused, Filter, RequestInfo, WorkerFilter};

use self::{
    accepts_json::accepts_json,
    checked::CheckedLimit,
    limits::{Limit, Limits},
    ratelimit_fields::put_ratelimit_fields,
};
pub use self::{
    connections::ConnectionLimit,
    counters::{LimitReport, LimitStats},
    limits::{HeaderStyle, LimiterFactory, LimitsConfig, RateLimits, limiter_for},
};
use crate::algorithm::Decision;

/// What is kept of one request: the limits that it was checked against, in order. The last may have refused it.
#[derive(Debug, Default)]
pub struct CheckedLimits {
    checked: Vec<CheckedLimit>,
    /// Where header values are written.
    text: Vec<u8>,
}

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
        !self.0.dry_run && self.0.in_order.iter().any(|limit| limit.rule.path.is_some())
    }

    fn on_connection(&self, peer: IpAddr) -> Result<ConnectionPermit, ConnectionRefused> {
        let Some(limit) = &self.0.connections else { return Ok(None) };
        let permit = limit.try_acquire(peer).ok_or(ConnectionRefused)?;
        Ok(Some(Box::new(permit)))
    }

    fn for_worker(&self, worker_id: usize) -> WorkerLimits {
        WorkerLimits { limits: Arc::clone(&self.0), worker_id }
    }
}

impl WorkerLimits {
    // ANCHOR: check
    /// Checks the request against each limit that applies; returns the index of the one that refuses it.
    fn check_all(&self, so_far: &mut Vec<CheckedLimit>, request: &RequestInfo<'_>, now: Instant) -> Option<usize> {
        for (index, limit) in self.limits.in_order.iter().enumerate() {
            if !limit.applies_to(request) {
                continue;
            }
            let key = self.limits.hasher.key(&limit.rule.key, request);
            let checked = limit.limiter.check(key, 1, now);
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

    /// Where a limit refuses, the earlier ones have got back what they gave.
    fn count(&self, checked: &[CheckedLimit], refusing: Option<usize>) {
        let counters = &self.limits.counters[self.worker_id];
        match refusing {
            None => checked.iter().for_each(|checked| counters.count_allowed(checked.limit)),
            Some(limit) => counters.count_refused(limit),
        }
    }

    fn refusal(request: &RequestInfo<'_>, decision: &Decision) -> LocalReply {
        let body = if accepts_json(request) { LocalReplyBody::Problem } else { LocalReplyBody::Text };
        let seconds = ratelimit_fields::whole_seconds(decision.retry_after);
        LocalReply::new(429, "rate_limited").with_retry_after(seconds).with_body(body)
    }
}

impl WorkerFilter for WorkerLimits {
    type State = CheckedLimits;

    fn on_request(
        &self,
        CheckedLimits { checked, .. }: &mut CheckedLimits,
        request: &RequestInfo<'_>,
        now: Instant,
    ) -> Result<(), LocalReply> {
        if self.limits.is_exempt(request.client) {
            return Ok(());
        }
        let refusing = self.check_all(checked, request, now);
        self.count(checked, refusing);
        let (Some(index), Some(last)) = (refusing, checked.last()) else { return Ok(()) };
        if !self.limits.dry_run {
            return Err(Self::refusal(request, &last.checked.decision));
        }
        let limit: &Limit = &self.limits.in_order[index];
        if limit.may_log(now) {
            tracing::warn!("limit {}: would refuse a request from {}", limit.name, request.client);
        }
        Ok(())
    }

    fn on_response_head(
        &self,
        CheckedLimits { checked, text }: &mut CheckedLimits,
        response: &ResponseInfo<'_>,
        edits: &mut HeaderEdits<'_>,
    ) {
        if !checked.is_empty() && !self.limits.dry_run {
            put_ratelimit_fields(&self.limits, checked, text, response, edits);
        }
    }

    fn reset(&self, CheckedLimits { checked, .. }: &mut CheckedLimits) {
        checked.clear();
    }
}
