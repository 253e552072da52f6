#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | the idea |
//! |---|---|
//! | `serve` | the steps of a request, with the choice of a backend |
//! | [`pick`] | what a load balancing policy is |
//! | [`round_robin`] | the round-robin pick |
//! | [`cluster`] | all backends, and the choice among them |
//! | [`backend`] | a configured backend: addresses, health status, counters |
//! | [`address_set`] | the addresses that a name currently resolves to |
//! | [`dns_refresher`] | resolves names again in the background |
//! | [`refresh_schedule`] | when each name is looked up next |
//! | [`program`] | the program, from its command line to its exit |
//!
//! Threads, sockets and waiting are those of chapter 2 ([`simple_proxy`]), unchanged.

pub mod address_set;
pub mod backend;
mod balancer;
pub mod cluster;
pub mod dns_refresher;
pub mod pick;
pub mod program;
pub mod refresh_schedule;
pub mod round_robin;
mod serve;

use std::{io, sync::Arc};

use common::{net::Listeners, shutdown::Shutdown};
use simple_proxy::accept;

pub use balancer::{Balancer, Config};

/// Serves clients on the first of `listeners` until the shutdown, and drains.
///
/// # Errors
/// The listener failed.
pub fn run(balancer: &Arc<Balancer>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    let config = &balancer.config;
    let (listener, balancer, client_shutdown) = (listeners.into_first(), Arc::clone(balancer), shutdown.clone());
    accept::accept_loop(listener, config.max_clients, config.timeouts.drain, shutdown, move |stream, connection_id| {
        serve::serve_connection(&balancer, stream, connection_id, &client_shutdown);
    })
}
