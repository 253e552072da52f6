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
    downstream::handoff::Clients,
    pool::{Counts, Limits, Shelf},
    statistics::{self, PoolView},
};

/// How a pool is to be.
#[derive(Debug, Clone, Copy)]
pub struct PoolConfig {
    /// What bounds it, in the whole process.
    pub limits: Limits,
    /// How many connections to each backend are made before anybody asks.
    pub warm_up: usize,
}

/// A balancer, its connections to backends, and the cores that are to drive it.
#[derive(Debug)]
pub struct Server {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) pool: PoolConfig,
    pub(crate) workers: NonZeroUsize,
    pub(crate) shelf: Shelf<TcpStream>,
    /// One for each core.
    pub(crate) counts: Vec<Counts>,
    pub(crate) clients: Clients,
    /// Taken by the cores.
    pub(crate) doors: Mutex<Vec<UnboundedReceiver<AcceptedConnection<TcpStream>>>>,
}

impl Server {
    /// As many cores as `workers`.
    pub fn new(balancer: Arc<Balancer>, pool: PoolConfig, workers: NonZeroUsize) -> Self {
        let (doors, inner): (Vec<_>, Vec<_>) = (0..workers.get()).map(|_| unbounded_channel()).unzip();
        Self {
            clients: Clients::new(balancer.config().max_clients, doors),
            shelf: Shelf::new(pool.limits.of_the_shelf(workers)),
            counts: (0..workers.get()).map(|_| Counts::default()).collect(),
            doors: Mutex::new(inner),
            balancer,
            pool,
            workers,
        }
    }

    /// What the cores keep between them, and how it fares.
    pub fn pool(&self) -> PoolView {
        PoolView::new(self.counts.iter().map(Counts::tally).sum(), self.shelf.len())
    }

    /// The table that SIGUSR1 and the exit print, with the pool and the clients of each core.
    pub fn statistics(&self) -> String {
        statistics::table(&self.balancer.statistics(), &self.pool(), self.clients.per_worker.counts())
    }

    /// Whether there is a core to share with.
    pub(crate) fn is_shared(&self) -> bool {
        self.workers.get() > 1
    }

    pub(crate) fn limits_of_a_core(&self) -> Limits {
        self.pool.limits.of_a_core(self.workers)
    }

    /// How many of the connections that are made in advance are for the core with this number.
    pub(crate) fn warm_part(&self, place: usize) -> usize {
        let (each, more) = (self.pool.warm_up / self.workers, self.pool.warm_up % self.workers);
        each + usize::from(place < more)
    }
}
