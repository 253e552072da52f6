#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | the idea |
//! |---|---|
//! | `worker` | the loop: sleep once for all, then take each as far as it goes |
//! | `serve` | the steps of a request, none of which waits |
//! | `line`, `farewell` | where a request waits; how a client is parted with |
//! | `connection` | one client's connection, in the state that says what it waits for |
//! | `worker` | what all connections of a loop share |
//! | `socket` | a stream that remembers what the last events said of it |
//! | `token`, [`table`] | how an event finds its connection, or finds that it is gone |
//! | [`wheel`] | deadlines by the ten thousand |
//! | `dial`, `upstreams` | a connection to a backend in the making, and those that rest |
//! | `acceptor`, `clients` | a loop's listener; which loop has the next client, and who waits for a place |
//! | `mailbox` | what other threads leave for a loop |

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

use advanced_features::Balancer;
use common::{net::Listeners, shutdown::Shutdown, worker::run_on_threads};
use mio::Poll;

use crate::{
    downstream::handoff::ConnectionHandoff,
    worker::{event_loop::Worker, queue::WorkerQueue},
};

/// What the kernel's interface is called that the loops sleep in.
pub const POLLER: &str = if cfg!(any(target_os = "linux", target_os = "android")) { "epoll" } else { "kqueue" };

/// A balancer and the loops that are to drive it.
#[derive(Debug)]
pub struct Server {
    balancer: Arc<Balancer>,
    handoff: Arc<ConnectionHandoff>,
    /// Taken by the loops.
    polls: Mutex<Vec<Poll>>,
}

impl Server {
    /// As many loops as `workers`.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn new(balancer: Arc<Balancer>, workers: NonZeroUsize) -> io::Result<Self> {
        let polls = (0..workers.get()).map(|_| Poll::new()).collect::<io::Result<Vec<_>>>()?;
        let mailbox = |poll: &Poll| WorkerQueue::new(poll.registry()).map(Arc::new);
        let mailboxes = polls.iter().map(mailbox).collect::<io::Result<Vec<_>>>()?;
        let handoff = Arc::new(ConnectionHandoff::new(balancer.config().max_clients, mailboxes));
        Ok(Self { balancer, handoff, polls: Mutex::new(polls) })
    }

    /// The table that SIGUSR1 and the exit print, and the clients of each loop.
    pub fn statistics(&self) -> String {
        let mut table = self.balancer.stats_table();
        for (worker_id, clients) in self.handoff.per_worker.counts().enumerate() {
            write!(table, "\nworker {worker_id}: {clients} client connections")
                .expect("writing to a String cannot fail");
        }
        table
    }
}

/// Serves clients on `listeners`, one for each loop, until the shutdown, and drains. To be called once.
///
/// # Errors
/// A loop could not start, or its listener or its poller failed. The others stop then.
///
/// # Panics
/// A loop that panics ends the process: its listener's queue would go on to swallow clients.
pub fn run(server: &Server, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    let polls = std::mem::take(&mut *server.polls.lock().unwrap_or_else(PoisonError::into_inner));
    let worker_parts = polls.into_iter().zip(listeners.into_vec()).enumerate();
    let worker = |(worker_id, (poll, listener))| {
        let (balancer, clients) = (Arc::clone(&server.balancer), Arc::clone(&server.handoff));
        Worker::new(balancer, clients, worker_id, poll, listener, shutdown)
    };
    let workers = worker_parts.map(worker).collect::<io::Result<Vec<_>>>()?;
    run_on_threads("worker", workers, shutdown, |_, worker| worker.run())
}
