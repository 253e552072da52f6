//! A balancer and what its workers share.

use std::{collections::HashMap, marker::PhantomData, net::TcpStream, num::NonZeroUsize, sync::Arc, time::Duration};

use advanced_features::Balancer;
use common::http::BackendId;

use crate::{
    filter::Filter,
    pool::{IdlePool, PoolCounters, PoolLimits, SharedPool},
    statistics::{self, PoolReport},
    worker::{
        backend_pools::{self, BackendPool, PublishedPools},
        stats::ClientBytes,
        workers::Workers,
    },
};

/// The configuration of the pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolConfig {
    /// Its limits, for the whole process.
    pub limits: PoolLimits,
    /// How many connections to each backend are opened before the first request.
    pub warm_up: usize,
}

impl PoolConfig {
    /// The most descriptors that idle connections may use.
    pub fn max_fds(&self) -> u64 {
        u64::try_from(self.limits.max_idle_total).unwrap_or(u64::MAX)
    }
}

/// A balancer, its filter, its connections to backends, and what its workers share. `P` is the pool of each worker.
#[derive(Debug)]
pub struct Server<F = (), P = IdlePool<tokio::net::TcpStream>> {
    pub(crate) workers: Arc<Workers>,
    pub(crate) filter: F,
    pub(crate) pool_config: PoolConfig,
    worker_count: NonZeroUsize,
    pub(crate) shared_pool: SharedPool<TcpStream>,
    /// One per worker.
    pub(crate) pool_counters: Vec<PoolCounters>,
    /// One per worker.
    pub(crate) published_pools: Vec<PublishedPools>,
    pool: PhantomData<fn() -> P>,
}

impl Server {
    /// For `workers` workers, without a filter.
    pub fn new(balancer: Arc<Balancer>, pool_config: PoolConfig, workers: NonZeroUsize) -> Self {
        Self::with_filter(balancer, pool_config, workers, ())
    }
}

impl<F: Filter> Server<F> {
    /// For `workers` workers, each of which passes its requests through its part of `filter`.
    pub fn with_filter(balancer: Arc<Balancer>, pool_config: PoolConfig, workers: NonZeroUsize, filter: F) -> Self {
        Self::with_parts(balancer, pool_config, workers, filter)
    }
}

impl<F: Filter, P> Server<F, P> {
    /// As [`with_filter`](Server::with_filter), with any pool: `Server::<_, YourPool<_>>::with_parts(…)`.
    pub fn with_parts(balancer: Arc<Balancer>, pool_config: PoolConfig, workers: NonZeroUsize, filter: F) -> Self {
        Self {
            shared_pool: SharedPool::new(pool_config.limits.shared(workers)),
            pool_counters: (0..workers.get()).map(|_| PoolCounters::default()).collect(),
            published_pools: (0..workers.get()).map(|_| PublishedPools::default()).collect(),
            pool: PhantomData,
            workers: Arc::new(Workers::new(balancer, workers)),
            worker_count: workers,
            filter,
            pool_config,
        }
    }

    /// The balancer.
    pub fn balancer(&self) -> &Arc<Balancer> {
        self.workers.balancer()
    }

    /// How many workers it has.
    pub fn worker_count(&self) -> NonZeroUsize {
        self.worker_count
    }

    /// The filter.
    pub fn filter(&self) -> &F {
        &self.filter
    }

    /// The table that SIGUSR1 and the exit print, with the pool and the connections of each worker.
    pub fn statistics(&self) -> String {
        statistics::format_table(&self.balancer().stats_table(), &self.pool_status(), self.clients_per_worker())
    }

    /// The counters of all workers' pools, summed.
    pub fn pool_status(&self) -> PoolReport {
        PoolReport::new(self.pool_counters.iter().map(PoolCounters::stats).sum(), self.shared_pool.len())
    }

    /// The pools' connections by backend, as of the last second. A backend without an entry has none.
    pub fn backend_pools(&self) -> HashMap<BackendId, BackendPool> {
        backend_pools::sum(self.published_pools.iter())
    }

    /// The bytes of all clients' sockets so far.
    pub fn client_bytes(&self) -> ClientBytes {
        self.workers.client_bytes()
    }

    /// How long each worker has not been waiting since it started.
    pub fn busy_times(&self) -> impl Iterator<Item = Duration> {
        self.workers.busy_times()
    }

    /// The longest time that one poll of a task has held each worker since it started. It is known when the next poll
    /// begins, or the worker waits.
    pub fn longest_polls(&self) -> impl Iterator<Item = Duration> {
        self.workers.longest_polls()
    }

    /// How many client connections each worker has.
    pub fn clients_per_worker(&self) -> impl Iterator<Item = usize> {
        self.workers.clients_per_worker()
    }

    /// Whether there is more than one worker, so that a shared pool is of use.
    pub(crate) fn has_shared_pool(&self) -> bool {
        self.worker_count.get() > 1
    }

    /// The limits of one worker's pool.
    pub(crate) fn worker_limits(&self) -> PoolLimits {
        self.pool_config.limits.per_worker(self.worker_count)
    }

    /// How many of the warm-up connections to each backend this worker opens.
    pub(crate) fn warm_up_share(&self, worker_id: usize) -> usize {
        let (each, remainder) =
            (self.pool_config.warm_up / self.worker_count, self.pool_config.warm_up % self.worker_count);
        each + usize::from(worker_id < remainder)
    }
}
