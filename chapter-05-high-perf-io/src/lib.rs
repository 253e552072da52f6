#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | what it holds |
//! |---|---|
//! | [`worker`] | a worker thread: its event loop, its command queue, tokens, and the [`slab`](worker::slab) |
//! | `serve` | the steps of a request, none of which blocks |
//! | `request` | a request from its head to its record: its state, its connect, and what it waits for |
//! | `downstream` | the client's side: accept, hand-off, a connection's state, local replies and lingering close |
//! | `upstream` | the backends' side: non-blocking connects, and the idle connections of each client |
//! | `socket` | a stream that remembers the readiness its last events reported |
//! | [`wheel`] | deadlines by the ten thousand: a timing wheel |

mod downstream;
mod request;
mod serve;
mod socket;
mod upstream;
pub mod wheel;
pub mod worker;

use std::{
    fmt::Write as _,
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use advanced_features::{Balancer, program};
use common::{net::Listeners, shutdown::Shutdown, worker::run_on_threads};
use mio::Poll;

use crate::{
    downstream::handoff::ConnectionHandoff,
    worker::{event_loop::Worker, queue::WorkerQueue},
};

/// The name of the kernel interface that the event loops block in.
pub const POLLER_NAME: &str = if cfg!(any(target_os = "linux", target_os = "android")) { "epoll" } else { "kqueue" };

/// A balancer and the workers that serve its clients.
#[derive(Debug)]
pub struct Server {
    balancer: Arc<Balancer>,
    handoff: Arc<ConnectionHandoff>,
    /// Taken by the workers when they start.
    polls: Mutex<Vec<Poll>>,
}

impl Server {
    /// With one event loop per worker.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn new(balancer: Arc<Balancer>, workers: NonZeroUsize) -> io::Result<Self> {
        let polls = (0..workers.get()).map(|_| Poll::new()).collect::<io::Result<Vec<_>>>()?;
        let queue = |poll: &Poll| WorkerQueue::new(poll.registry()).map(Arc::new);
        let queues = polls.iter().map(queue).collect::<io::Result<Vec<_>>>()?;
        let handoff = Arc::new(ConnectionHandoff::new(balancer.config().max_clients, queues));
        Ok(Self { balancer, handoff, polls: Mutex::new(polls) })
    }
}

impl program::Server for Server {
    fn run(self: &Arc<Self>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
        run(self, listeners, shutdown)
    }

    fn statistics(&self) -> String {
        let mut table = self.balancer.stats_table();
        for (worker_id, clients) in self.handoff.per_worker.counts().enumerate() {
            write!(table, "\nworker {worker_id}: {clients} client connections")
                .expect("writing to a String cannot fail");
        }
        table
    }
}

/// Serves clients on `listeners`, one listener per worker, until shutdown, then drains. Call it once.
///
/// # Errors
/// A worker could not start, or its listener or its poller failed. The other workers stop then.
///
/// # Panics
/// A worker that panics ends the process: otherwise its listener's queue would go on swallowing clients.
pub fn run(server: &Server, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    let polls = std::mem::take(&mut *server.polls.lock().unwrap_or_else(PoisonError::into_inner));
    let worker_parts = polls.into_iter().zip(listeners.into_vec()).enumerate();
    let worker = |(worker_id, (poll, listener))| {
        let (balancer, handoff) = (Arc::clone(&server.balancer), Arc::clone(&server.handoff));
        Worker::new(balancer, handoff, worker_id, poll, listener, shutdown)
    };
    let workers = worker_parts.map(worker).collect::<io::Result<Vec<_>>>()?;
    run_on_threads("worker", workers, shutdown, |_, worker| worker.run())
}
