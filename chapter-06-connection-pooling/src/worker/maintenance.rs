//! The task that maintains a worker's pool: it sweeps idle connections, publishes how many there are, and opens
//! connections before the first request.

use std::{collections::HashSet, rc::Rc, time::Duration};

use advanced_features::admin::AdminOperations as _;
use common::{clock::now, net::ConnectPlan};
use tokio::{task::JoinSet, time::interval};

use super::{
    backend_pools::{BackendPool, PoolsByBackend},
    context::WorkerContext,
};
use crate::{
    engine::Engine,
    pool::{ConnectionPool as _, PoolKey},
    upstream::{connect::connect, connection::UpstreamConnection, socket_pool},
};

/// How often idle connections are checked.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Sweeps the pool, and warms up connections to backends that are new or up again.
pub(crate) async fn maintain_pool<E: Engine>(worker: Rc<WorkerContext<E>>) {
    let mut eligible_before = HashSet::new();
    // Each in its own task: a backend that does not answer delays neither the others nor the sweep.
    let mut warm_ups = JoinSet::new();
    let mut ticks = interval(SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        while warm_ups.try_join_next().is_some() {}
        let eligible = socket_pool::eligible_addresses(&worker, now());
        socket_pool::sweep(&worker, &eligible);
        publish_pools(&worker);
        for &address in eligible.difference(&eligible_before) {
            warm_ups.spawn_local(warm_up(Rc::clone(&worker), PoolKey { address }));
        }
        eligible_before = eligible;
    }
}

/// Opens this worker's share of the warm-up connections to a backend that is new or up again.
async fn warm_up<E: Engine>(worker: Rc<WorkerContext<E>>, key: PoolKey) {
    let missing = worker.server.warm_up_share(worker.worker_id()).saturating_sub(worker.pool.borrow().len_of(key));
    for _ in 0..missing {
        let started = now();
        let plan = ConnectPlan::to_address(key.address, started, started + worker.balancer().config().timeouts.connect);
        match connect(plan).await {
            Ok(connected) => {
                worker.pool_counters().warmed_up(1);
                socket_pool::put(&worker, UpstreamConnection::new(connected), now());
            }
            Err(error) => {
                tracing::info!("warm-up connect to {} failed: {error}", key.address);
                return;
            }
        }
    }
}

/// Publishes this worker's pool by backend. The first worker adds the pool that all share.
fn publish_pools<E: Engine>(worker: &WorkerContext<E>) {
    let published = &worker.server.published_pools[worker.worker_id()];
    let (before, evictions, pool) = (published.latest(), worker.evictions.take(), worker.pool.borrow());
    let adds_shared = worker.worker_id() == 0 && !worker.shared_pool().is_empty();
    let mut pools = PoolsByBackend::new();
    // Of the backends as they are now: those that were removed disappear.
    for backend in worker.balancer().router().backends() {
        let mut counts = BackendPool { idle: 0, ..before.get(&backend.id()).copied().unwrap_or_default() };
        for address in backend.addresses().all() {
            let key = PoolKey { address };
            counts.idle += pool.len_of(key) + if adds_shared { worker.shared_pool().len_of(key) } else { 0 };
            evictions.add_to(&mut counts, address);
        }
        if counts != BackendPool::default() {
            pools.insert(backend.id(), counts);
        }
    }
    published.replace(pools);
}
