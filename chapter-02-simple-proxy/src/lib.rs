#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | the idea |
//! |---|---|
//! | `serve` | the steps of a request |
//! | [`client_connection`] | a connection and its requests, one after another |
//! | [`driver`] | drives the HTTP relay on the client's thread: waiting, deadlines, drain |
//! | [`poll`] | `poll(2)` on two sockets at once |
//! | [`socket`] | a non-blocking stream that caches its readiness |
//! | [`mod@connect`] | connecting with a timeout |
//! | [`accept`] | a thread per client, and the connection limit |
//! | [`stats`], [`request_log`] | counters, the statistics table, and the log line of a request |
//! | [`forward_proxy`] | part two: the forward proxy, with the same driver |
//!
//! Chapters 3 and 4 import these and write their own `serve`. HTTP framing and forwarding is in [`common::http`].

pub mod accept;
pub mod client_connection;
pub mod connect;
pub mod driver;
pub mod forward_proxy;
pub mod poll;
mod proxy;
pub mod request_log;
mod serve;
pub mod socket;
pub mod stats;

use std::{io, sync::Arc};

use common::{net::Listeners, shutdown::Shutdown};

pub use proxy::{Config, ReverseProxy};

/// Serves clients on the first of `listeners` until the shutdown, and drains.
///
/// # Errors
/// The listener failed.
pub fn run(proxy: &Arc<ReverseProxy>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    let config = &proxy.config;
    let (listener, proxy, client_shutdown) = (listeners.into_first(), Arc::clone(proxy), shutdown.clone());
    accept::accept_loop(listener, config.max_clients, config.timeouts.drain, shutdown, move |stream, connection_id| {
        serve::serve_connection(&proxy, stream, connection_id, &client_shutdown);
    })
}
