//! A balancer with its workers: what they share between them.

use std::{
    net::TcpStream,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use advanced_features::Balancer;
use common::net::AcceptedConnection;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{
    downstream::handoff::ConnectionHandoff,
    pool::{PoolCounters, PoolLimits, SharedPool},
    statistics::{self, PoolStatus},
};

/// How a pool is to be.
#[derive(Debug, Clone, Copy)]
pub struct PoolConfig {
    /// What bounds it, in the whole process.
    pub limits: PoolLimits,
    /// How many connections to each backend are made before anybody asks.
    pub warm_up: usize,
}

/// A balancer, its connections to backends, and the workers that are to drive it.
#[derive(Debug)]
pub struct Server {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) pool_config: PoolConfig,
    pub(crate) workers: NonZeroUsize,
    pub(crate) shared_pool: SharedPool<TcpStream>,
    /// One for each core.
    pub(crate) pool_counters: Vec<PoolCounters>,
    pub(crate) handoff: ConnectionHandoff,
    /// Taken by the workers.
    pub(crate) handoff_receivers: Mutex<Vec<UnboundedReceiver<AcceptedConnection<TcpStream>>>>,
}

impl Server {
    /// As many workers as `workers`.
    pub fn new(balancer: Arc<Balancer>, pool_config: PoolConfig, workers: NonZeroUsize) -> Self {
        let (doors, inner): (Vec<_>, Vec<_>) = (0..workers.get()).map(|_| unbounded_channel()).unzip();
        Self {
            handoff: ConnectionHandoff::new(balancer.config().max_clients, doors),
            shared_pool: SharedPool::new(pool_config.limits.shared(workers)),
            pool_counters: (0..workers.get()).map(|_| PoolCounters::default()).collect(),
            handoff_receivers: Mutex::new(inner),
            balancer,
            pool_config,
            workers,
        }
    }

    /// What the workers keep between them, and how it fares.
    pub fn pool_status(&self) -> PoolStatus {
        PoolStatus::new(self.pool_counters.iter().map(PoolCounters::stats).sum(), self.shared_pool.len())
    }

    /// The table that SIGUSR1 and the exit print, with the pool and the clients of each core.
    pub fn statistics(&self) -> String {
        statistics::format_table(&self.balancer.stats_table(), &self.pool_status(), self.handoff.per_worker.counts())
    }

    /// Whether there is a worker to share with.
    pub(crate) fn has_shared_pool(&self) -> bool {
        self.workers.get() > 1
    }

    pub(crate) fn worker_limits(&self) -> PoolLimits {
        self.pool_config.limits.per_worker(self.workers)
    }

    /// How many of the connections that are made in advance are for the worker with this number.
    pub(crate) fn warm_up_share(&self, place: usize) -> usize {
        let (each, more) = (self.pool_config.warm_up / self.workers, self.pool_config.warm_up % self.workers);
        each + usize::from(place < more)
    }
}
