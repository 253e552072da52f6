//! The limits on each request's way through the balancer.
//!
//! A request takes one from each limit that applies to it, in the order in which they are configured. The first that
//! has nothing left refuses it, and what the earlier ones gave is given back: a request that is refused costs nothing.
//! A head that is refused with 400 never gets here; a client that leaves, a retry and an upgrade have taken one.

mod accepts_json;
mod checked;
mod counters;
mod limits;
mod ratelimit_fields;

use std::{sync::Arc, time::Instant};

use common::http::{HeaderEdits, LocalReply, LocalReplyBody, ResponseInfo};
use connection_pooling::{Filter, RequestInfo, WorkerFilter};

use self::{
    accepts_json::accepts_json,
    checked::Checked,
    limits::{Limit, Limits},
    ratelimit_fields::put_ratelimit_fields,
};
pub use self::{
    counters::{LimitReport, LimitStats},
    limits::{HeaderStyle, LimitsConfig, RateLimits},
};
use crate::algorithm::Decision;

/// What is kept of one request: the limits that it was checked against, in order. The last may have refused it.
#[derive(Debug, Default)]
pub struct CheckedLimits(Vec<Checked>);

/// One worker's part of the limits.
#[derive(Debug)]
pub struct WorkerLimits {
    limits: Arc<Limits>,
    worker_id: usize,
}

impl Filter for RateLimits {
    type Worker = WorkerLimits;

    fn inspects_path(&self) -> bool {
        self.0.in_order.iter().any(|limit| limit.paths.is_some())
    }

    fn for_worker(&self, worker_id: usize) -> WorkerLimits {
        WorkerLimits { limits: Arc::clone(&self.0), worker_id }
    }
}

impl WorkerLimits {
    // ANCHOR: check
    /// Checks the request against each limit that applies; returns the index of the one that refuses it.
    fn check_all(&self, checked: &mut Vec<Checked>, request: &RequestInfo<'_>, now: Instant) -> Option<usize> {
        for (index, limit) in self.limits.in_order.iter().enumerate() {
            if !limit.applies_to(request) {
                continue;
            }
            let key = self.limits.hasher.key(&limit.rule.key, request);
            let decision = limit.limiter.check(key, 1, now);
            checked.push(Checked { limit: index, key, decision });
            if !decision.allowed {
                for earlier in &checked[..checked.len() - 1] {
                    self.limits.in_order[earlier.limit].limiter.give_back(earlier.key, 1, now);
                }
                return Some(index);
            }
        }
        None
    }
    // ANCHOR_END: check

    fn count(&self, checked: &[Checked], refusing: Option<usize>) {
        let counters = &self.limits.counters[self.worker_id];
        for Checked { limit, .. } in checked {
            match refusing {
                None => counters.count_allowed(*limit),
                Some(refusing) if refusing == *limit => counters.count_refused(*limit),
                // Given back.
                Some(_) => {}
            }
        }
    }

    /// `Retry-After` is what the refusing limit's `RateLimit` says.
    fn refusal(request: &RequestInfo<'_>, decision: &Decision) -> LocalReply {
        let body = if accepts_json(request) { LocalReplyBody::Problem } else { LocalReplyBody::Text };
        LocalReply::new(429, "rate_limited")
            .with_retry_after(ratelimit_fields::whole_seconds(decision.reset))
            .with_body(body)
    }
}

impl WorkerFilter for WorkerLimits {
    type State = CheckedLimits;

    fn on_request(
        &self,
        CheckedLimits(checked): &mut CheckedLimits,
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
            return Err(Self::refusal(request, &last.decision));
        }
        let limit: &Limit = &self.limits.in_order[index];
        if limit.may_log(now) {
            tracing::warn!("limit {}: would refuse a request of {}", limit.name, request.client);
        }
        Ok(())
    }

    fn on_response_head(
        &self,
        CheckedLimits(checked): &mut CheckedLimits,
        response: &ResponseInfo<'_>,
        edits: &mut HeaderEdits<'_>,
    ) {
        if !checked.is_empty() && !self.limits.dry_run {
            put_ratelimit_fields(&self.limits, checked, response, edits);
        }
    }

    fn reset(&self, CheckedLimits(checked): &mut CheckedLimits) {
        checked.clear();
    }
}
