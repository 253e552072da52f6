#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | the idea |
//! |---|---|
//! | `serve` | the steps of a request |
//! | [`course`] | one request's way through its group, and the rules on it |
//! | [`cluster`] | all groups, and the way of a request to one of them |
//! | [`group`] | backends that can stand in for each other, and the choice among them |
//! | [`backend`] | all that is known of one backend |
//! | [`policy`] | how one of many is picked |
//! | [`health`] | whether it may be picked |
//! | [`limit`] | how much it may be given |
//! | [`route`] | which requests are for it |
//! | [`admin`] | all of this changed while requests flow |
//! | [`args`], [`Config`] | what a command line says of it, and what that comes to |
//!
//! All but `serve` and the few files that wait (`line`, `pause`, `upstreams`, the checker's threads, the admin
//! interface's server) is policy: it has no socket and no clock, and the engines of the later chapters drive it
//! unchanged.

pub mod admin;
pub mod args;
pub mod balance;
mod balancer;
mod config;
pub mod health;
pub mod limit;
pub mod request;
pub mod routing;
mod serve;

use std::{io, sync::Arc};

use common::{net::Listeners, shutdown::Shutdown};
use simple_proxy::accept;

pub use config::{Config, GroupConfig};

pub use balancer::Balancer;

/// Serves clients on the first of `listeners` until the shutdown, and drains.
///
/// # Errors
/// The listener failed.
pub fn run(balancer: &Arc<Balancer>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    let config = &balancer.config;
    let (listener, balancer, client_shutdown) = (listeners.into_first(), Arc::clone(balancer), shutdown.clone());
    accept::accept_loop(listener, config.max_clients, config.timeouts.drain, shutdown, move |stream, connection| {
        serve::serve(&balancer, stream, connection, &client_shutdown);
    })
}
