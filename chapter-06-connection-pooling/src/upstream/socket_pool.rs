//! The pool as a worker uses it: with sockets, a shelf behind it, and somebody who looks after what rests.

use std::{
    collections::HashSet,
    net::{SocketAddr, TcpStream as StdStream},
    sync::Arc,
    time::{Duration, Instant},
};

use advanced_features::{
    admin::ClusterControl as _,
    balance::backend::{Backend, BackendState},
};
use common::{clock::now, http::NON_IDEMPOTENT_IDLE_LIMIT};
use socket2::SockRef;
use tokio::net::TcpStream;

use super::connection::{UpstreamConnection, is_reusable, no_pending_input, peek_finds_no_input};
use crate::{
    pool::{EvictReason, Evicted, IdleConnection, IdlePool, PoolCounters, PoolKey},
    worker::context::WorkerContext,
};

/// How long a connection has to rest before it is a surplus of its worker.
const OFFLOAD_AFTER: Duration = Duration::from_secs(5);

// ANCHOR: take
/// Takes a connection to `backend` that rests and may have such a request: the worker's own, or else the shelf's.
pub(crate) fn take(
    worker: &WorkerContext,
    backend: &Backend,
    idempotent: bool,
    now: Instant,
) -> Option<UpstreamConnection> {
    let counts = worker.pool_counters();
    let within = if idempotent { Duration::MAX } else { NON_IDEMPOTENT_IDLE_LIMIT };
    let mut pool = worker.pool.borrow_mut();
    for address in backend.addresses() {
        let key = PoolKey { address };
        let is_reusable = |stream: &mut TcpStream| is_reusable(stream, idempotent);
        if let Some(idle) = pool.take(key, now, within, is_reusable, |removed| count_eviction(counts, removed.reason)) {
            counts.hits(1);
            return Some(UpstreamConnection { stream: idle.connection, key, meta: idle.meta });
        }
    }
    if worker.shared_pool().is_empty() || !idempotent {
        return None;
    }
    backend.addresses().find_map(|address| take_shared(worker, PoolKey { address }, now))
}
// ANCHOR_END: take

/// Takes connections from the shelf until one is fit.
fn take_shared(worker: &WorkerContext, key: PoolKey, now: Instant) -> Option<UpstreamConnection> {
    let counts = worker.pool_counters();
    loop {
        let IdleConnection { connection, meta, .. } =
            worker.shared_pool().take(key, now, |removed| count_eviction(counts, removed.reason))?;
        if !peek_finds_no_input(&SockRef::from(&connection)) {
            counts.stale(1);
        } else if let Ok(stream) = TcpStream::from_std(connection) {
            counts.shared_hits(1);
            return Some(UpstreamConnection { stream, key, meta });
        }
    }
}

/// Keeps a connection whose response ended exactly where its framing said; not if more has come.
pub(crate) fn put_used(worker: &WorkerContext, upstream: UpstreamConnection, now: Instant) {
    let UpstreamConnection { stream, key, mut meta } = upstream;
    meta.requests_served = meta.requests_served.saturating_add(1);
    if !no_pending_input(&stream) {
        worker.pool_counters().stale(1);
        return;
    }
    put(worker, UpstreamConnection { stream, key, meta }, now);
}

/// What the pool has no room for may lie on the shelf. What must not be used again is closed.
fn offload(worker: &WorkerContext, removed: Evicted<TcpStream>) {
    let Evicted { key, idle, reason } = removed;
    if reason != EvictReason::PoolFull || !worker.server.has_shared_pool() {
        return count_eviction(worker.pool_counters(), reason);
    }
    let IdleConnection { connection, meta, idle_since } = idle;
    // Taken from this worker's poller: another one may give it to its own.
    let Ok(connection) = connection.into_std() else { return worker.pool_counters().evicted(1) };
    if let Some(removed) = worker.shared_pool().put(key, IdleConnection { connection, meta, idle_since }) {
        count_eviction(worker.pool_counters(), removed.reason);
    }
}

/// Closes the connection of this worker that has rested longest, or else one of the shelf: a descriptor is needed.
pub(crate) fn evict_one(worker: &WorkerContext) -> bool {
    let now = now();
    let is_evicted = worker.pool.borrow_mut().take_longest_idle(Duration::ZERO, now).is_some()
        || worker.shared_pool().take_longest_idle(Duration::ZERO, now).is_some();
    worker.pool_counters().evicted(usize::from(is_evicted));
    is_evicted
}

// ANCHOR: sweep
/// Looks after what rests: closes what has ended, has had its time, or leads to nobody, and lays on the shelf what this
/// worker has not needed for a while.
pub(crate) fn sweep(worker: &WorkerContext, eligible: &HashSet<SocketAddr>) {
    let (now, counts) = (now(), worker.pool_counters());
    let is_wanted = |peer: PoolKey| eligible.contains(&peer.address);
    let discard = |peer, reason| {
        if reason == EvictReason::Stale && !is_wanted(peer) {
            counts.backend_unavailable(1)
        } else {
            count_eviction(counts, reason)
        }
    };
    let mut pool = worker.pool.borrow_mut();
    let is_reusable = |peer, stream: &mut TcpStream| is_wanted(peer) && no_pending_input(stream);
    pool.sweep(now, is_reusable, |removed| match removed.reason {
        EvictReason::PoolFull => offload(worker, removed),
        why => discard(removed.key, why),
    });
    if worker.worker_id == 0 {
        let fit = |peer, stream: &mut StdStream| is_wanted(peer) && peek_finds_no_input(&SockRef::from(&*stream));
        worker.shared_pool().sweep(now, fit, |removed| discard(removed.key, removed.reason));
    }
    if worker.server.has_shared_pool() {
        offload_idle(worker, &mut pool, now);
    }
}
// ANCHOR_END: sweep

/// Lays on the shelf what has rested for long, as long as there is room.
fn offload_idle(worker: &WorkerContext, pool: &mut IdlePool<TcpStream>, now: Instant) {
    while worker.shared_pool().has_capacity()
        && let Some((key, idle)) = pool.take_longest_idle(OFFLOAD_AFTER, now)
    {
        offload(worker, Evicted { key, idle, reason: EvictReason::PoolFull });
    }
}

/// The addresses of the backends that may be asked now.
pub(crate) fn eligible_addresses(worker: &WorkerContext, now: Instant) -> HashSet<SocketAddr> {
    let backends = worker.balancer().cluster().backends();
    let is_up = |backend: &&Arc<Backend>| {
        !matches!(backend.state(now), BackendState::Down | BackendState::ConnectFailed { .. })
    };
    backends.iter().filter(is_up).flat_map(|backend| backend.addresses()).collect()
}

fn count_eviction(counts: &PoolCounters, reason: EvictReason) {
    match reason {
        EvictReason::PoolFull => counts.evicted(1),
        EvictReason::Expired => counts.expired(1),
        EvictReason::Stale => counts.stale(1),
    }
}

/// Lays down a connection, used or new. What the pool has no room for is given away.
pub(crate) fn put(worker: &WorkerContext, upstream: UpstreamConnection, now: Instant) {
    let UpstreamConnection { stream, key, meta } = upstream;
    let removed = worker.pool.borrow_mut().put(key, stream, meta, now);
    if let Some(removed) = removed {
        offload(worker, removed);
    }
}
