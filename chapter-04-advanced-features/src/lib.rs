#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | what lives there |
//! |---|---|
//! | `serve`, [`Balancer`] | the steps of a request on a client's thread; what all requests share |
//! | [`request`] | one request's state and rules, and how this chapter's threads wait |
//! | [`balance`] | groups, backends and the algorithms that pick one; nothing of a single request |
//! | [`health`], [`limit`] | whether a backend may be picked; how many requests it may hold |
//! | [`routing`] | which group a request goes to, and session affinity |
//! | [`admin`] | the admin API: changes while requests flow |
//! | [`program`] | a program from its command line to its exit, with any chapter's engine, or another health status |
//! | [`args`], [`Config`] | the command line, and the configuration it resolves to |
//!
//! Sockets, clocks and waiting belong in `serve`, `request::{wait, wake_pipe, per_client_pool}`, the health checker's
//! threads and [`admin::server`]. Everything else takes `now` as an argument; later chapters drive it unchanged.

pub mod admin;
pub mod args;
pub mod balance;
mod balancer;
mod config;
pub mod health;
pub mod limit;
pub mod program;
pub mod request;
pub mod routing;
mod serve;

use std::{io, sync::Arc};

use common::{net::Listeners, shutdown::Shutdown};
use program::Server;
use simple_proxy::accept;

pub use config::{Config, GroupConfig};

pub use balancer::Balancer;

/// Serves clients on the first of `listeners` until shutdown, then drains.
///
/// # Errors
/// Accepting on the listener failed.
pub fn run(balancer: &Arc<Balancer>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    let config = &balancer.config;
    let (listener, balancer, client_shutdown) = (listeners.into_first(), Arc::clone(balancer), shutdown.clone());
    accept::accept_loop(listener, config.max_clients, config.timeouts.drain, shutdown, move |stream, connection| {
        serve::serve(&balancer, stream, connection, &client_shutdown);
    })
}

impl Server for Balancer {
    fn run(self: &Arc<Self>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
        run(self, listeners, shutdown)
    }

    fn statistics(&self) -> String {
        self.stats_table()
    }
}
