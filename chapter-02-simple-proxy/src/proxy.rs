//! A running reverse proxy: its configuration, and what it counts.

use std::net::IpAddr;

use crate::request_log::log_and_count;
use common::http::Exchange;
use std::{net::SocketAddr, sync::Arc, time::Instant};

use common::{
    clock,
    http::{Forwarding, ProxyRole},
    instance_id::InstanceId,
    timeouts::Timeouts,
};

use crate::stats::{BackendStats, ProxyStats, StatsRow};

/// What the proxy is to do.
#[derive(Debug, Clone)]
pub struct ForwardConfig {
    /// The backend, as it is to be shown.
    pub backend_name: String,
    /// Its addresses, in the order in which they are tried.
    pub addresses: Vec<SocketAddr>,
    /// Clients served at once.
    pub max_clients: usize,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Who may speak for other clients.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Whether each request gets a log line.
    pub log_requests: bool,
}

/// A running proxy: its configuration and its counters.
#[derive(Debug)]
pub struct ReverseProxy {
    pub(crate) config: ForwardConfig,
    pub(crate) forwarding: Forwarding,
    pub(crate) identity: InstanceId,
    pub(crate) stats: ProxyStats,
    pub(crate) backend_stats: BackendStats,
    pub(crate) started_at: Instant,
}

impl ReverseProxy {
    /// A proxy that is to be [`run`].
    pub fn new(config: ForwardConfig) -> Arc<Self> {
        let identity = InstanceId::new();
        let forwarding = Forwarding {
            role: ProxyRole::Reverse,
            via_pseudonym: identity.via_pseudonym("reverse_proxy"),
            scheme: "http",
            trusted_proxies: config.trusted_proxies.clone(),
            backend_keep_alive: false,
        };
        let (stats, backend_stats) = (ProxyStats::default(), BackendStats::default());
        Arc::new(Self { config, forwarding, identity, stats, backend_stats, started_at: clock::now() })
    }

    /// The table that SIGUSR1 and the exit print.
    pub fn stats_table(&self) -> String {
        let row = StatsRow {
            name: self.config.backend_name.clone(),
            state: "UP",
            active: self.backend_stats.active_requests(),
            stats: &self.backend_stats,
        };
        self.stats.table(self.started_at.elapsed(), [row])
    }

    /// Counts an exchange that has ended, and logs it if requests are logged.
    pub(crate) fn log_and_count(&self, client: IpAddr, exchange: &Exchange) {
        log_and_count(&self.stats, self.config.log_requests, client, exchange);
    }
}
