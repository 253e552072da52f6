//! The task that looks after a worker's pool: it sweeps what is idle, and opens connections before the first request.

use std::{collections::HashSet, rc::Rc, time::Duration};

use common::clock::now;
use tokio::{task::JoinSet, time::interval};

use super::context::WorkerContext;
use crate::{
    pool::PoolKey,
    upstream::{connect::connect_any, socket_pool},
};

/// How often what rests is looked at.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Looks after the pool, and has connections made before they are needed.
pub(crate) async fn maintain_pool(worker: Rc<WorkerContext>) {
    let mut wanted_before = HashSet::new();
    // Each on a task of its own: who does not answer holds up neither the others nor the sweep.
    let mut warming = JoinSet::new();
    let mut turns = interval(SWEEP_INTERVAL);
    loop {
        turns.tick().await;
        while warming.try_join_next().is_some() {}
        let wanted = socket_pool::eligible_addresses(&worker, now());
        socket_pool::sweep(&worker, &wanted);
        for &address in wanted.difference(&wanted_before) {
            warming.spawn_local(warm_up(Rc::clone(&worker), PoolKey { address }));
        }
        wanted_before = wanted;
    }
}

/// Makes this worker's part of the connections that are to wait for the first requests to a backend that is new or back.
async fn warm_up(worker: Rc<WorkerContext>, peer: PoolKey) {
    let missing = worker.server.warm_up_share(worker.worker_id).saturating_sub(worker.pool.borrow().len_of(peer));
    for _ in 0..missing {
        let deadline = now() + worker.balancer().config().timeouts.connect;
        match connect_any(std::iter::once(peer.address), deadline).await {
            Ok(upstream) => {
                worker.pool_counters().warmed_up(1);
                socket_pool::put(&worker, upstream, now());
            }
            Err(error) => {
                tracing::info!("warm-up connect to {} failed: {error}", peer.address);
                return;
            }
        }
    }
}
