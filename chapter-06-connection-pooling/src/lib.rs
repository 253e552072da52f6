#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | what it holds |
//! |---|---|
//! | `serve` | the steps of a request, as chapter 4 writes them, in a task |
//! | [`pool`] | idle connections, their limits and their counters: without a socket |
//! | `upstream` | the backends' side: the pool with sockets, reuse checks, connects |
//! | `request` | a request from its head to its record: its state, and what it waits for |
//! | `downstream` | the client's side: a connection, hand-off, local replies and lingering close |
//! | `wire`, `timer` | the relay's socket and its deadline, as a task polls them |
//! | [`worker`] | a thread with its runtime: accept, pool maintenance, shutdown, what its tasks share |
//! | `http_service` | HTTP as what a worker serves; chapter 9 relays TCP |
//! | [`AcceptPrelude`] | what comes on a connection before its first request, such as the client's address |
//! | [`Filter`], `engine` | what a chapter adds to each request's way; the types that a worker is compiled for |
//! | [`splice`] | what moves large bodies from socket to socket; chapter 9 has pipes |
//! | `server`, `statistics`, `pool_handler` | what the workers share; the table and the JSON of the pool |
//! | [`args`] | the command line of the pool |

mod accept_prelude;
pub mod args;
mod downstream;
mod engine;
mod filter;
mod http_service;
pub mod pool;
mod pool_handler;
mod request;
mod serve;
mod server;
pub mod splice;
mod statistics;
pub mod timer;
pub mod upstream;
mod wire;
pub mod worker;

use std::{io, sync::Arc};

use advanced_features::{admin::AdminHandler, program};
use common::{
    http::{Plaintext, StreamLayer},
    net::Listeners,
    shutdown::Shutdown,
};

use engine::EngineOf;
use pool::ConnectionPool;
use pool_handler::PoolHandler;
use splice::Splice;
use tokio::net::TcpStream;
use worker::context::{StreamLayerFactory, WorkerContext};

pub use accept_prelude::{AcceptPrelude, ConnectionInfo, PreludeError};
pub use advanced_features::routing::{RequestId, RequestInfo};
pub use filter::{ConnectionPermit, ConnectionRefused, Filter, WorkerFilter};
pub use request::{attempt_record::AttemptRecord, ended_request::EndedRequest};
pub use server::{PoolConfig, Server};
pub use statistics::PoolReport;
pub use worker::{backend_pools::BackendPool, stats::ClientBytes};

/// Serves clients on `listeners`, one listener per worker, until shutdown, then drains. Call it once.
///
/// # Errors
/// As [`worker::run::run`], which says when this panics too.
pub fn run<F: Filter, P: ConnectionPool<TcpStream>>(
    server: &Arc<Server<F, P>>,
    listeners: Listeners,
    shutdown: &Shutdown,
) -> io::Result<()> {
    run_with(server, || Plaintext, &Arc::new(()), &(), listeners, shutdown)
}

/// As [`run`], with a layer from `stream_layer` over each client's socket, a `prelude` before its first request, and
/// large bodies moved by `splice`.
///
/// # Errors
/// As [`run`].
pub fn run_with<L: StreamLayer, F: Filter, P: ConnectionPool<TcpStream>, A: AcceptPrelude, S: Splice>(
    server: &Arc<Server<F, P>>,
    stream_layer: impl Fn() -> L + Send + Sync + 'static,
    prelude: &Arc<A>,
    splice: &S,
    listeners: Listeners,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let stream_layer: StreamLayerFactory<EngineOf<L, F, P, A, S>> = Arc::new(stream_layer);
    worker::run::run(&server.workers, listeners, shutdown, |thread| {
        let (server, stream_layer) = (Arc::clone(server), Arc::clone(&stream_layer));
        WorkerContext::<EngineOf<L, F, P, A, S>>::new(server, stream_layer, Arc::clone(prelude), splice, thread)
    })
}

impl<F: Filter, P: ConnectionPool<TcpStream>> program::Server for Server<F, P> {
    fn run(self: &Arc<Self>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
        run(self, listeners, shutdown)
    }

    fn statistics(&self) -> String {
        self.statistics()
    }

    fn admin_handlers(self: &Arc<Self>) -> Vec<Box<dyn AdminHandler>> {
        vec![Box::new(PoolHandler(Arc::clone(self)))]
    }
}
