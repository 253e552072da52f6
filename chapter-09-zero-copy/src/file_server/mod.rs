//! A static file server: bodies go by [`sendfile`](crate::sendfile).
//!
//! | module | the idea |
//! |---|---|
//! | `request_path`, [`root`] | a path that never leaves the root, and the file that it names |
//! | `entity_tag`, `preconditions` | which version the client has: 304, 412 |
//! | `byte_range`, `media_type` | a part of a file; what its bytes mean |
//! | `response` | from a request head to a response that is ready to be sent |
//! | `connection`, `send`, `sys` | a client's task: its requests, and the bytes of the responses |
//! | `worker`, `context` | a thread with its runtime: accept, drain; what its connections share |
//! | `server`, `stats` | what the workers share; the counters of each |
//!
//! Requests are parsed by [`common::http`], as in every chapter. There is no relay: a file is no backend.

mod byte_range;
mod connection;
mod context;
mod entity_tag;
mod media_type;
mod preconditions;
mod request_path;
mod response;
pub mod root;
mod send;
mod server;
mod stats;
mod sys;
mod worker;

use std::{io, sync::Arc};

use common::{net::Listeners, shutdown::Shutdown, worker::run_on_threads};

pub use server::{FileServer, FileServerConfig};

/// Serves clients on `listeners`, one per worker, until shutdown, then drains.
///
/// The kernel distributes connections over the workers by a hash of their addresses, and they stay where they are:
/// chapter 6 hands connections to workers with fewer; a download moves more bytes than it takes decisions.
///
/// # Errors
/// A worker could not start, or its listener failed. The other workers stop then.
///
/// # Panics
/// A worker that panics ends the process. A client's task that panics closes only that client's connection.
pub fn run(server: &Arc<FileServer>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    run_on_threads("worker", listeners.into_vec(), shutdown, |worker_id, listener| {
        worker::run(Arc::clone(server), worker_id, listener, shutdown)
    })
}
