#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | the idea |
//! |---|---|
//! | `serve` | the steps of a request |
//! | [`client`] | a connection and its requests, one after another |
//! | [`waiter`] | what the thread does around the HTTP machine: sleep, deadlines, drain |
//! | [`mod@wait`] | `poll(2)` on two sockets at once |
//! | [`socket`] | a stream that never waits |
//! | [`mod@connect`] | a connection before a deadline |
//! | [`accept`] | a thread per client, and a limit to them |
//! | [`totals`] | what is counted |
//! | [`forward`] | part two: the forward proxy, on the same thread |
//!
//! Chapters 3 and 4 import all of it and write their own `serve`. How HTTP messages are framed and passed
//! on is in [`common::http`], for all engines.

pub mod accept;
pub mod client;
pub mod connect;
pub mod forward;
pub mod log;
mod serve;
pub mod socket;
pub mod totals;
pub mod wait;
pub mod waiter;

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use common::{
    clock,
    http::{Forwarding, Role},
    identity::Identity,
    net::Listeners,
    shutdown::Shutdown,
    timeouts::Timeouts,
};

use crate::totals::{BackendTotals, Row, Totals};

/// What the proxy is to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// The backend, as it is to be shown.
    pub backend: String,
    /// Its addresses, in the order in which they are tried.
    pub addresses: Vec<SocketAddr>,
    /// Clients served at once.
    pub max_clients: usize,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Who may speak for other clients.
    pub trusted: Vec<ipnet::IpNet>,
    /// Whether each request gets a log line.
    pub log_requests: bool,
}

/// A running proxy: its configuration and its counters.
#[derive(Debug)]
pub struct Proxy {
    config: Config,
    forwarding: Forwarding,
    identity: Identity,
    totals: Totals,
    backend_totals: BackendTotals,
    started: Instant,
}

impl Proxy {
    /// A proxy that is to be [`run`].
    pub fn new(config: Config) -> Arc<Self> {
        let identity = Identity::new();
        let forwarding = Forwarding {
            role: Role::Reverse,
            via: identity.pseudonym("reverse_proxy"),
            scheme: "http",
            trusted: config.trusted.clone(),
            pooled: false,
        };
        let (totals, backend_totals) = (Totals::default(), BackendTotals::default());
        Arc::new(Self { config, forwarding, identity, totals, backend_totals, started: clock::now() })
    }

    /// The table that SIGUSR1 and the exit print.
    pub fn statistics(&self) -> String {
        let row = Row {
            name: self.config.backend.clone(),
            state: "UP",
            active: self.backend_totals.active(),
            totals: &self.backend_totals,
        };
        self.totals.table(self.started.elapsed(), [row])
    }
}

/// Serves clients on the first of `listeners` until the shutdown, and drains.
///
/// # Errors
/// The listener failed.
pub fn run(proxy: &Arc<Proxy>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    let config = &proxy.config;
    let (listener, proxy, heeded) = (listeners.into_first(), Arc::clone(proxy), shutdown.clone());
    accept::accept_loop(listener, config.max_clients, config.timeouts.drain, shutdown, move |stream, connection| {
        serve::serve(&proxy, stream, connection, &heeded);
    })
}
