#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | the idea |
//! |---|---|
//! | `serve` | the steps of a request |
//! | [`client_connection`] | a connection and its requests, one after another |
//! | [`driver`] | what the thread does around the HTTP machine: sleep, deadlines, drain |
//! | [`mod@wait`] | `poll(2)` on two sockets at once |
//! | [`socket`] | a stream that never waits |
//! | [`mod@connect`] | a connection before a deadline |
//! | [`accept`] | a thread per client, and a limit to them |
//! | [`stats`] | what is counted |
//! | [`forward_proxy`] | part two: the forward proxy, on the same thread |
//!
//! Chapters 3 and 4 import all of it and write their own `serve`. How HTTP messages are framed and passed
//! on is in [`common::http`], for all engines.

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

pub use proxy::{ForwardConfig, ReverseProxy};

/// Serves clients on the first of `listeners` until the shutdown, and drains.
///
/// # Errors
/// The listener failed.
pub fn run(proxy: &Arc<ReverseProxy>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    let config = &proxy.config;
    let (listener, proxy, client_shutdown) = (listeners.into_first(), Arc::clone(proxy), shutdown.clone());
    accept::accept_loop(listener, config.max_clients, config.timeouts.drain, shutdown, move |stream, connection| {
        serve::serve_connection(&proxy, stream, connection, &client_shutdown);
    })
}
