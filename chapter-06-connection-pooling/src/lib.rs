#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | the idea |
//! |---|---|
//! | `serve` | the steps of a request, as chapter 4 writes them, on a task |
//! | `line`, `farewell` | what a request waits for; how a client is parted with |
//! | [`pool`] | connections that rest, and who may have them: without a socket |
//! | `upstreams`, `upstream` | the pool with sockets; whether a connection may be used again |
//! | `dial` | a connection to a backend in the making |
//! | `wire`, `alarm` | the machine's socket and its deadline, as a task polls them |
//! | `worker`, `core` | a thread with its runtime; what its tasks share |
//! | `clients`, `client` | how many clients there are, and who has the next; one of them |
//! | [`args`] | the command line of the pool |

mod alarm;
pub mod args;
mod client;
mod clients;
mod core;
mod dial;
mod farewell;
mod line;
pub mod pool;
mod serve;
mod statistics;
mod upstream;
mod upstreams;
mod wire;
mod worker;

use std::{
    io,
    net::TcpStream,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use advanced_features::Balancer;
use common::{
    http::{Layer, Plain},
    net::Listeners,
    shutdown::Shutdown,
};
use high_perf_io::threads;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub use statistics::PoolView;

use crate::{
    clients::{Clients, Newcomer},
    pool::{Counts, Limits, Shelf},
};

/// A core's poller twice, its waker and its listener.
const FILES_PER_CORE: u64 = 4;

/// How many files so many cores have open for themselves.
pub fn files_of(workers: NonZeroUsize) -> u64 {
    FILES_PER_CORE.saturating_mul(u64::try_from(workers.get()).unwrap_or(u64::MAX))
}

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
    balancer: Arc<Balancer>,
    pool: PoolConfig,
    workers: NonZeroUsize,
    shelf: Shelf<TcpStream>,
    /// One for each core.
    counts: Vec<Counts>,
    clients: Clients,
    /// Taken by the cores.
    doors: Mutex<Vec<UnboundedReceiver<Newcomer>>>,
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
        statistics::table(&self.balancer.statistics(), &self.pool(), self.clients.house.by_loop())
    }

    /// Whether there is a core to share with.
    fn is_shared(&self) -> bool {
        self.workers.get() > 1
    }

    fn limits_of_a_core(&self) -> Limits {
        self.pool.limits.of_a_core(self.workers)
    }

    /// How many of the connections that are made in advance are for the core with this number.
    fn warm_part(&self, place: usize) -> usize {
        let (each, more) = (self.pool.warm_up / self.workers, self.pool.warm_up % self.workers);
        each + usize::from(place < more)
    }
}

/// Serves clients on `listeners`, one for each core, until the shutdown, and drains. To be called once.
///
/// # Errors
/// A core could not start, or its listener failed. The others stop then.
///
/// # Panics
/// A core that panics ends the process: its listener's queue would go on to swallow clients. A client's task that panics
/// ends that client.
pub fn run(server: &Arc<Server>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    run_with(server, || Plain, listeners, shutdown)
}

/// As [`run`], with the layer that `layer` makes over each client's socket.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub fn run_with<L: Layer>(
    server: &Arc<Server>,
    layer: impl Fn() -> L + Sync,
    listeners: Listeners,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let doors = std::mem::take(&mut *server.doors.lock().unwrap_or_else(PoisonError::into_inner));
    threads::run_each("core", doors.into_iter().zip(listeners.into_vec()), shutdown, |place, (door, listener)| {
        worker::run(Arc::clone(server), &layer, place, listener, door, shutdown.clone())
    })
}
