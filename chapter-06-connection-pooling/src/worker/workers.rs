//! What the workers of a process share, whatever they serve.

use std::{
    net::TcpStream,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use advanced_features::Balancer;
use common::net::AcceptedConnection;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::stats::{ClientBytes, WorkerStats};
use crate::downstream::handoff::ConnectionHandoff;

/// What the workers of a process share: the balancer, the connection limit, and their statistics.
#[derive(Debug)]
pub struct Workers {
    balancer: Arc<Balancer>,
    handoff: ConnectionHandoff,
    /// One per worker.
    stats: Vec<WorkerStats>,
    /// Taken by the workers when they start.
    receivers: Mutex<Vec<UnboundedReceiver<AcceptedConnection<TcpStream>>>>,
}

impl Workers {
    /// `count` workers of `balancer`.
    pub fn new(balancer: Arc<Balancer>, count: NonZeroUsize) -> Self {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..count.get()).map(|_| unbounded_channel()).unzip();
        Self {
            handoff: ConnectionHandoff::new(balancer.config().max_clients, senders),
            stats: (0..count.get()).map(|_| WorkerStats::default()).collect(),
            receivers: Mutex::new(receivers),
            balancer,
        }
    }

    /// The connections that other workers hand off, by worker id. Taken once, by [`run`](super::run::run).
    pub(super) fn take_receivers(&self) -> Vec<UnboundedReceiver<AcceptedConnection<TcpStream>>> {
        std::mem::take(&mut *self.receivers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The balancer.
    pub fn balancer(&self) -> &Arc<Balancer> {
        &self.balancer
    }

    /// How many client connections each worker has.
    pub fn clients_per_worker(&self) -> impl Iterator<Item = usize> {
        self.handoff.per_worker.counts()
    }

    /// The bytes of all clients' sockets so far.
    pub fn client_bytes(&self) -> ClientBytes {
        self.stats.iter().map(WorkerStats::client_bytes).sum()
    }

    /// How long each worker has not been waiting since it started.
    pub fn busy_times(&self) -> impl Iterator<Item = Duration> {
        self.stats.iter().map(WorkerStats::busy_time)
    }

    /// The longest time that one poll of a task has held each worker since it started. It is known when the next poll
    /// begins, or the worker waits.
    pub fn longest_polls(&self) -> impl Iterator<Item = Duration> {
        self.stats.iter().map(|stats| stats.longest_poll().duration())
    }

    pub(crate) fn handoff(&self) -> &ConnectionHandoff {
        &self.handoff
    }

    pub(crate) fn stats(&self, worker_id: usize) -> &WorkerStats {
        &self.stats[worker_id]
    }
}
