//! The pool as a worker uses it: with sockets, the shared pool behind it, and the sweep of idle connections.

use std::{
    collections::HashSet,
    net::{SocketAddr, TcpStream as StdStream},
    sync::Arc,
    time::{Duration, Instant},
};

use advanced_features::{
    admin::AdminOperations as _,
    balance::backend::{Backend, BackendState},
    request::attempt::Attempt,
};
use common::clock::now;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::connection::{UpstreamConnection, is_reusable, no_pending_input, peek_finds_no_input};
use crate::{
    engine::Engine,
    pool::{ConnectionPool as _, EvictReason, Evicted, IdleConnection, PoolKey},
    worker::context::WorkerContext,
};

/// How long a connection has to be idle before its worker moves it to the shared pool.
const OFFLOAD_AFTER: Duration = Duration::from_secs(5);

// ANCHOR: take
/// Takes an idle connection to `backend` that may carry such a request: from the worker's own pool, or else from the
/// shared pool.
pub(crate) fn take<E: Engine>(
    worker: &WorkerContext<E>,
    backend: &Backend,
    idempotent: bool,
    now: Instant,
) -> Option<UpstreamConnection> {
    let max_idle = backend.keep_alive.max_idle().unwrap_or(Duration::MAX);
    let mut pool = worker.pool.borrow_mut();
    let addresses = backend.addresses().lookup_order();
    for &address in &addresses {
        let key = PoolKey { address };
        let is_reusable = |stream: &mut TcpStream| is_reusable(stream, idempotent);
        let on_evict = |evicted: Evicted<TcpStream>| {
            count_eviction(worker, key, evicted.reason);
            if evicted.reason == EvictReason::Stale {
                backend.keep_alive.record_close(now.saturating_duration_since(evicted.idle.idle_since));
            }
        };
        let Some(idle) = pool.take(key, now, max_idle, is_reusable, on_evict) else { continue };
        let IdleConnection { connection: stream, meta, idle_since } = idle;
        if idempotent || backend.keep_alive.allows_reuse(now.saturating_duration_since(idle_since), false) {
            worker.pool_counters().hits(1);
            return Some(UpstreamConnection { stream, key, meta });
        }
        // It stays for requests that can be sent again.
        if let Some(evicted) = pool.put(key, stream, meta, idle_since) {
            offload(worker, evicted);
        }
    }
    if worker.shared_pool().is_empty() || !idempotent {
        return None;
    }
    addresses.into_iter().find_map(|address| take_shared(worker, PoolKey { address }, max_idle, now))
}
// ANCHOR_END: take

/// Takes connections from the shared pool until one is reusable.
///
/// Only for idempotent requests: no poller watched these connections, and a peek misses a close that is in flight. A
/// GET is then sent again; a POST must not be.
fn take_shared<E: Engine>(
    worker: &WorkerContext<E>,
    key: PoolKey,
    max_idle: Duration,
    now: Instant,
) -> Option<UpstreamConnection> {
    loop {
        let IdleConnection { connection, meta, idle_since } =
            worker.shared_pool().take(key, now, |evicted| count_eviction(worker, key, evicted.reason))?;
        if now.saturating_duration_since(idle_since) >= max_idle {
            count_eviction(worker, key, EvictReason::Expired);
        } else if !peek_finds_no_input(&SockRef::from(&connection)) {
            count_eviction(worker, key, EvictReason::Stale);
        } else if let Ok(stream) = TcpStream::from_std(connection) {
            worker.pool_counters().shared_hits(1);
            return Some(UpstreamConnection { stream, key, meta });
        }
    }
}

/// Keeps the connection of an attempt whose response ended exactly where its framing said, unless more bytes have
/// arrived. Releases its slot.
pub(crate) fn put_after_exchange<E: Engine>(
    worker: &WorkerContext<E>,
    attempt: Attempt<UpstreamConnection>,
    now: Instant,
) {
    let (UpstreamConnection { stream, key, mut meta }, in_flight) = attempt.into_parts();
    meta.requests_served = meta.requests_served.saturating_add(1);
    if !no_pending_input(&stream) {
        count_eviction(worker, key, EvictReason::Stale);
        in_flight.backend().keep_alive.record_close(Duration::ZERO);
        return;
    }
    put(worker, UpstreamConnection { stream, key, meta }, now);
}

/// Moves a connection that the pool is too full for to the shared pool. One that must not be reused is closed.
fn offload<E: Engine>(worker: &WorkerContext<E>, evicted: Evicted<TcpStream>) {
    let Evicted { key, idle, reason } = evicted;
    if reason != EvictReason::PoolFull || !worker.server.has_shared_pool() {
        return count_eviction(worker, key, reason);
    }
    let IdleConnection { connection, meta, idle_since } = idle;
    // Deregistered from this worker's poller: another worker registers it with its own.
    let Ok(connection) = connection.into_std() else { return count_eviction(worker, key, reason) };
    if let Some(evicted) = worker.shared_pool().put(key, IdleConnection { connection, meta, idle_since }) {
        count_eviction(worker, evicted.key, evicted.reason);
    }
}

/// Closes this worker's longest idle connection, or else one of the shared pool, to free a descriptor. Returns whether
/// there was one.
pub(crate) fn evict_one<E: Engine>(worker: &WorkerContext<E>) -> bool {
    let now = now();
    let own = worker.pool.borrow_mut().take_longest_idle(Duration::ZERO, now).map(|(key, _)| key);
    let evicted = own.or_else(|| worker.shared_pool().take_longest_idle(Duration::ZERO, now).map(|(key, _)| key));
    evicted.inspect(|key| count_eviction(worker, *key, EvictReason::PoolFull)).is_some()
}

// ANCHOR: sweep
/// Sweeps the idle connections: closes those that are closed by the peer, expired, or lead to no eligible backend, and
/// moves to the shared pool those that this worker has not needed for a while.
pub(crate) fn sweep<E: Engine>(worker: &WorkerContext<E>, eligible: &HashSet<SocketAddr>) {
    let now = now();
    let is_eligible = |key: PoolKey| eligible.contains(&key.address);
    let discard = |key, reason| {
        if reason == EvictReason::Stale && !is_eligible(key) {
            worker.pool_counters().backend_unavailable(1);
        } else {
            count_eviction(worker, key, reason);
        }
    };
    let mut pool = worker.pool.borrow_mut();
    let is_reusable = |key, stream: &mut TcpStream| is_eligible(key) && no_pending_input(stream);
    pool.sweep(now, is_reusable, |evicted| match evicted.reason {
        EvictReason::PoolFull => offload(worker, evicted),
        reason => discard(evicted.key, reason),
    });
    if worker.worker_id() == 0 {
        let is_reusable =
            |key, stream: &mut StdStream| is_eligible(key) && peek_finds_no_input(&SockRef::from(&*stream));
        worker.shared_pool().sweep(now, is_reusable, |evicted| discard(evicted.key, evicted.reason));
    }
    if worker.server.has_shared_pool() {
        offload_idle(worker, &mut pool, now);
    }
}
// ANCHOR_END: sweep

/// Moves connections that have been idle for long to the shared pool, up to its limit.
fn offload_idle<E: Engine>(worker: &WorkerContext<E>, pool: &mut E::Pool, now: Instant) {
    while worker.shared_pool().has_capacity()
        && let Some((key, idle)) = pool.take_longest_idle(OFFLOAD_AFTER, now)
    {
        offload(worker, Evicted { key, idle, reason: EvictReason::PoolFull });
    }
}

/// The addresses of the backends that may get requests now.
pub(crate) fn eligible_addresses<E: Engine>(worker: &WorkerContext<E>, now: Instant) -> HashSet<SocketAddr> {
    let backends = worker.balancer().router().backends();
    let is_up = |backend: &&Arc<Backend>| {
        !matches!(backend.state(now), BackendState::Down | BackendState::ConnectFailed { .. })
    };
    backends.iter().filter(is_up).flat_map(|backend| backend.addresses().all()).collect()
}

fn count_eviction<E: Engine>(worker: &WorkerContext<E>, key: PoolKey, reason: EvictReason) {
    let counters = worker.pool_counters();
    worker.evictions.borrow_mut().count(key, reason);
    match reason {
        EvictReason::PoolFull => counters.evicted(1),
        EvictReason::Expired => counters.expired(1),
        EvictReason::Stale => counters.stale(1),
    }
}

/// Puts a connection, used or new, into the worker's pool. What the pool evicts for it is offloaded.
pub(crate) fn put<E: Engine>(worker: &WorkerContext<E>, upstream: UpstreamConnection, now: Instant) {
    let UpstreamConnection { stream, key, meta } = upstream;
    let evicted = worker.pool.borrow_mut().put(key, stream, meta, now);
    if let Some(evicted) = evicted {
        offload(worker, evicted);
    }
}
