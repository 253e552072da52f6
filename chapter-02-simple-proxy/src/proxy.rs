//! A running reverse proxy: its configuration, and what it counts.

use std::net::IpAddr;

use crate::request_log::log_and_count;
use common::http::Exchange;
use std::{net::SocketAddr, sync::Arc, time::Instant};

use common::{
    clock,
    http::{Forwarding, Role},
    instance_id::Identity,
    timeouts::Timeouts,
};

use crate::stats::{BackendTotals, Row, Totals};

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
    pub(crate) config: Config,
    pub(crate) forwarding: Forwarding,
    pub(crate) identity: Identity,
    pub(crate) totals: Totals,
    pub(crate) backend_totals: BackendTotals,
    pub(crate) started: Instant,
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

    /// Counts an exchange that has ended, and logs it if requests are logged.
    pub(crate) fn log_and_count(&self, client: IpAddr, exchange: &Exchange) {
        log_and_count(&self.totals, self.config.log_requests, client, exchange);
    }
}
