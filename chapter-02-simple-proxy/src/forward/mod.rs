//! Part two: a forward proxy. It stands before clients, who know it, instead of before servers.
//!
//! | module | the idea |
//! |---|---|
//! | `serve` | the same steps; the request says where to |
//! | [`destination`] | the target's authority, and its addresses |
//! | [`access`] | which destinations are allowed |
//! | [`credentials`] | who may ask |
//!
//! A request comes in one of two forms. `GET http://host/path` is relayed as any other. `CONNECT host:port`
//! asks for a tunnel: after the 200 bytes are bytes, mostly those of TLS, and the proxy cannot read them.
//! The machine, the thread around it and the accept loop are those of the reverse proxy.

pub mod access;
pub mod credentials;
pub mod destination;
mod serve;

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use common::{
    clock,
    http::{Forwarding, Role},
    identity::Identity,
    net::Listeners,
    shutdown::Shutdown,
    timeouts::Timeouts,
};

use self::{
    access::{Access, Rule},
    credentials::Credentials,
};
use crate::{
    accept,
    totals::{BackendTotals, Row, Totals},
};

/// What the proxy is to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// Destinations that may be asked for; none: any.
    pub allow: Vec<Rule>,
    /// Who may ask; `None`: anybody who can connect.
    pub auth: Option<Credentials>,
    /// Clients served at once.
    pub max_clients: usize,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Whether each request gets a log line.
    pub log_requests: bool,
}

/// A running forward proxy: its configuration and its counters.
#[derive(Debug)]
pub struct Proxy {
    config: Config,
    access: Access,
    forwarding: Forwarding,
    identity: Identity,
    totals: Totals,
    requests: BackendTotals,
    tunnels: BackendTotals,
    started: Instant,
}

impl Proxy {
    /// A proxy that is to be [`run`] on `listening`.
    pub fn new(config: Config, listening: SocketAddr) -> Arc<Self> {
        let identity = Identity::new();
        let forwarding = Forwarding {
            role: Role::Forward,
            via: identity.pseudonym("forward_proxy"),
            scheme: "http",
            trusted: Vec::new(),
            pooled: false,
        };
        Arc::new(Self {
            access: Access::new(config.allow.clone(), listening),
            config,
            forwarding,
            identity,
            totals: Totals::default(),
            requests: BackendTotals::default(),
            tunnels: BackendTotals::default(),
            started: clock::now(),
        })
    }

    /// The table that SIGUSR1 and the exit print. A row per destination would grow with what clients ask
    /// for, so there is one for each form of request.
    pub fn statistics(&self) -> String {
        let rows = [("http://...", &self.requests), ("CONNECT", &self.tunnels)];
        let rows =
            rows.map(|(name, totals)| Row { name: name.to_owned(), state: "-", active: totals.active(), totals });
        self.totals.table(self.started.elapsed(), rows)
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
