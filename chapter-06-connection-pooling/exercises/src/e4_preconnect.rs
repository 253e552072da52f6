//! Exercise 6.4: adaptive preconnect (an evening).
//!
//! **Contract.** [`preconnect`] returns a [`Preconnect`] for one peer. On each event it decides how many connects to
//! start.
//!
//! - **Waiting requests.** Each has a connect in progress, unless there are `max_connections` connections already.
//! - **The bound.** Other connects start only ahead of requests: idle + connecting - waiting is at most `max_ahead`
//!   then.
//! - **Ready.** Requests arrive at random, ten or more per second on average, and the backend closes each connection
//!   after its response. After ten seconds, at most 2 in 100 wait, if `max_ahead` is 4 × `n` + 8 or more (`n`: below).
//! - **Economical.** With `n` arrivals per connect time, at most 6 + 3 × `n` connections are idle on average, however
//!   long requests take. The pool is LIFO, with an idle timeout of ten seconds.
//! - **Adaptive.** Twenty seconds after the rate or the connect time has changed, up or down, both hold again. Ten
//!   seconds after the last request, nothing is opened any more.
//! - **With reuse.** If connections are reused, at most one connect starts per fifty requests, and at most 2 in 100
//!   wait.
//! - **Down.** From a failed connect until `backoff` has passed, connects start only for waiting requests. Ten seconds
//!   after that, all of this holds again.

use std::time::Instant;

use crate::contracts::{Event, Limits, PoolState, Preconnect};

/// Three connections for every two that are needed now: Envoy's `per_upstream_preconnect_ratio`, which is configured.
#[derive(Debug)]
pub struct Ratio {
    limits: Limits,
}

/// A policy that has seen no event yet.
pub fn preconnect(limits: Limits) -> Ratio {
    Ratio { limits }
}

impl Preconnect for Ratio {
    fn decide(&mut self, _event: Event, pool: PoolState, _now: Instant) -> usize {
        let needed = ((pool.waiting + pool.in_use) * 3).div_ceil(2);
        let existing = pool.connecting + pool.in_use + pool.idle;
        needed.saturating_sub(existing).min(self.limits.max_ahead)
    }
}
