//! Exercise 6.4: connect before they come (an evening).
//!
//! **Contract.** [`preconnect`] makes a [`Preconnect`]. It hears of everything that happens to the connections to one peer
//! and says how many connects are to begin.
//!
//! - **Who waits.** For each request that waits a connect is under way, always, unless there are `total` connections. There
//!   are never more than `total`.
//! - **The bound.** Beyond that connects begin only ahead of requests to come, and only as long as those that rest and
//!   those in the making, less the requests that wait, are at most `ahead`.
//! - **Ready.** Requests come by chance, ten or more a second on average, to a backend that closes each connection after
//!   its response. From the tenth second on at most 2 in 100 of them wait. (All of these count while `ahead` is ample:
//!   four times as many as come while one connects, and eight.)
//! - **Thrifty.** Meanwhile, with `n` requests that come while one connects, at most 6 + 3 × `n` connections rest on
//!   average, however long the requests take. The one that came last is taken first, and none rests for more than ten
//!   seconds.
//! - **It learns.** Twenty seconds after the rate, or the time that a connect takes, has changed, up or down, both hold
//!   again. When nobody has come for ten seconds, nothing is opened any more.
//! - **What comes back counts.** If the backend keeps its connections, one connect for fifty requests is enough that at
//!   most 2 in 100 of them wait.
//! - **The backend is down.** From a connect that has failed until `pause` is over connects begin for those who wait only.
//!   Ten seconds after that all holds again.

use std::time::Instant;

use crate::contracts::{Event, Limits, Pool, Preconnect};

/// For two connections that are needed now, three. It is Envoy's `per_upstream_preconnect_ratio`, which a person sets.
#[derive(Debug)]
pub struct Ratio {
    limits: Limits,
}

/// Knows nothing yet.
pub fn preconnect(limits: Limits) -> Ratio {
    Ratio { limits }
}

impl Preconnect for Ratio {
    fn decide(&mut self, _event: Event, pool: Pool, _now: Instant) -> usize {
        let wanted = ((pool.waiting + pool.in_use) * 3).div_ceil(2);
        let there = pool.connecting + pool.in_use + pool.idle;
        wanted.saturating_sub(there).min(self.limits.ahead)
    }
}
