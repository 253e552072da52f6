//! A running forward proxy: its configuration, and what it counts.

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

use crate::forward_proxy::{
    acl::{Access, Rule},
    credentials::Credentials,
};
use crate::stats::{BackendTotals, Row, Totals};

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
    pub(crate) config: Config,
    pub(crate) access: Access,
    pub(crate) forwarding: Forwarding,
    pub(crate) identity: Identity,
    pub(crate) totals: Totals,
    pub(crate) requests: BackendTotals,
    pub(crate) tunnels: BackendTotals,
    pub(crate) started: Instant,
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

    /// Counts an exchange that has ended, and logs it if requests are logged.
    pub(crate) fn log_and_count(&self, client: IpAddr, exchange: &Exchange) {
        log_and_count(&self.totals, self.config.log_requests, client, exchange);
    }
}
