//! Exercise 6.4: preconnect (an evening).
//!
//! **Contract.** [`preconnect`] returns a [`Preconnect`] for one peer. On each event it decides how many to connect.
//!
//! - **Waiting requests.** Each has a connect in progress, unless there are `total` connections, which is the maximum.
//! - **The bound.** Other connects start only ahead of requests: idle + connecting - waiting is at most `ahead` then.
//! - **Ready.** Requests arrive at random, ten or more per second on average, and the backend closes each connection
//!   after its response. After ten seconds, at most 2 in 100 wait, if `ahead` is 4 × `n` + 8 or more (`n`: below).
//! - **Economical.** With `n` arrivals per connect time, at most 6 + 3 × `n` connections are idle on average, however
//!   long requests take. The pool is LIFO, with an idle timeout of ten seconds.
//! - **Adaptive.** Twenty seconds after the rate or the connect time has changed, up or down, both hold again. Ten
//!   seconds after the last request, nothing is opened any more.
//! - **Reuse counts.** With kept connections, at most one connect starts per fifty requests, and at most 2 in 100 wait.
//! - **Down.** From a failed connect until `pause` has passed, connects start only for waiting requests. Ten seconds
//!   after that, all of this holds again.

use std::time::Instant;

use crate::contracts::{Event, Limits, Pool, Preconnect};

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
    fn decide(&mut self, _event: Event, pool: Pool, _now: Instant) -> usize {
        let needed = ((pool.waiting + pool.in_use) * 3).div_ceil(2);
        let existing = pool.connecting + pool.in_use + pool.idle;
        needed.saturating_sub(existing).min(self.limits.ahead)
    }
}
