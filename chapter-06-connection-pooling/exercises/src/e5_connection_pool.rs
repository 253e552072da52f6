//! Exercise 6.5: the balancer's connection pool (an evening).
//!
//! **Contract.** [`new`] returns an empty [`Pool`] within the limits. It implements [`ConnectionPool`], whose
//! documentation says what each method does, and runs in `pooled_lb`: `your_pool_lb` is that program with your pool.
//!
//! - Of the idle connections with a key, the one that was returned last is taken first.
//! - [`PoolLimits::allows_reuse`] decides whether a connection is kept when it is put, [`PoolLimits::allows_idle`]
//!   whether it is still taken, or kept by a sweep. One that is not is [`EvictReason::Expired`]; one that the check
//!   finds not reusable is [`EvictReason::Stale`], and is not handed out.
//! - A connection that has been idle for `max_idle` or longer is not taken, but stays.
//! - With `max_idle_total` connections idle, a put evicts the longest idle one of all keys
//!   ([`EvictReason::PoolFull`]). The limit per key is enforced by the sweep, which evicts the longest idle ones. A
//!   limit of 0 keeps nothing.
//! - Every connection leaves the pool exactly once, and is never dropped silently.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use connection_pooling::pool::{
    ConnectionMeta, ConnectionPool, EvictReason, Evicted, IdleConnection, PoolKey, PoolLimits,
};

/// Idle connections, by key.
#[derive(Debug)]
pub struct Pool<C> {
    limits: PoolLimits,
    idle: Vec<(PoolKey, IdleConnection<C>)>,
}

/// An empty pool within `limits`.
pub fn new<C: Debug + 'static>(limits: PoolLimits) -> Pool<C> {
    ConnectionPool::new(limits)
}

impl<C: Debug + 'static> ConnectionPool<C> for Pool<C> {
    fn new(limits: PoolLimits) -> Self {
        Self { limits, idle: Vec::new() }
    }

    fn put(&mut self, key: PoolKey, connection: C, meta: ConnectionMeta, now: Instant) -> Option<Evicted<C>> {
        let idle = IdleConnection { connection, meta, idle_since: now };
        if self.idle.len() >= self.limits.max_idle_total {
            return Some(Evicted { key, idle, reason: EvictReason::PoolFull });
        }
        self.idle.push((key, idle));
        None
    }

    fn take(
        &mut self,
        key: PoolKey,
        _now: Instant,
        _max_idle: Duration,
        mut is_reusable: impl FnMut(&mut C) -> bool,
        mut on_evict: impl FnMut(Evicted<C>),
    ) -> Option<IdleConnection<C>> {
        // The first with this key, that is, the one that was returned first.
        let first = self.idle.iter().position(|(other, _)| *other == key)?;
        let (key, mut idle) = self.idle.remove(first);
        if is_reusable(&mut idle.connection) {
            return Some(idle);
        }
        on_evict(Evicted { key, idle, reason: EvictReason::Stale });
        None
    }

    fn sweep(
        &mut self,
        _now: Instant,
        _is_reusable: impl FnMut(PoolKey, &mut C) -> bool,
        _on_evict: impl FnMut(Evicted<C>),
    ) {
    }

    fn take_longest_idle(&mut self, _min_idle: Duration, _now: Instant) -> Option<(PoolKey, IdleConnection<C>)> {
        None
    }

    fn len_of(&self, key: PoolKey) -> usize {
        self.idle.iter().filter(|(other, _)| *other == key).count()
    }
}
