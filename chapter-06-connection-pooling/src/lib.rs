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
//! | `worker`, `worker` | a thread with its runtime; what its tasks share |
//! | `clients`, `client` | how many clients there are, and who has the next; one of them |
//! | [`args`] | the command line of the pool |

pub mod args;
mod downstream;
pub mod pool;
mod request;
mod serve;
mod server;
mod statistics;
mod timer;
mod upstream;
mod wire;
mod worker;

use std::{
    io,
    sync::{Arc, PoisonError},
};

use common::{
    http::{Plaintext, StreamLayer},
    net::Listeners,
    shutdown::Shutdown,
    worker::run_on_threads,
};

pub use server::{PoolConfig, Server};
pub use statistics::PoolStatus;

/// Serves clients on `listeners`, one for each core, until the shutdown, and drains. To be called once.
///
/// # Errors
/// A worker could not start, or its listener failed. The others stop then.
///
/// # Panics
/// A worker that panics ends the process: its listener's queue would go on to swallow clients. A client's task that panics
/// ends that client.
pub fn run(server: &Arc<Server>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    run_with(server, || Plaintext, listeners, shutdown)
}

/// As [`run`], with the layer that `layer` makes over each client's socket.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub fn run_with<L: StreamLayer>(
    server: &Arc<Server>,
    stream_layer: impl Fn() -> L + Sync,
    listeners: Listeners,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let doors = std::mem::take(&mut *server.handoff_receivers.lock().unwrap_or_else(PoisonError::into_inner));
    run_on_threads("worker", doors.into_iter().zip(listeners.into_vec()), shutdown, |worker_id, (door, listener)| {
        worker::run::run(Arc::clone(server), &stream_layer, worker_id, listener, door, shutdown.clone())
    })
}
