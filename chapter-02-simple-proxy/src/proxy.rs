//! A running reverse proxy: its configuration and its counters.

use std::net::IpAddr;

use crate::request_log::log_and_count;
use common::http::Exchange;
use std::{net::SocketAddr, sync::Arc, time::Instant};

use common::{
    clock,
    http::{Forwarding, ProxyRole},
    instance_id::InstanceId,
    net::AddressList,
    timeouts::Timeouts,
};

use crate::stats::{BackendStats, ProxyStats, StatsRow};

/// The configuration of a reverse proxy.
#[derive(Debug, Clone)]
pub struct Config {
    /// The backend's name in statistics.
    pub backend_name: String,
    /// The backend's addresses, in the resolver's order.
    pub addresses: Vec<SocketAddr>,
    /// How many clients may be connected at once.
    pub max_clients: usize,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// The networks whose `X-Forwarded-*` headers are trusted.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Whether each request gets a log line.
    pub log_requests: bool,
}

/// A running proxy: its configuration and its counters.
#[derive(Debug)]
pub struct ReverseProxy {
    pub(crate) config: Config,
    pub(crate) addresses: Arc<AddressList>,
    pub(crate) forwarding: Forwarding,
    pub(crate) identity: InstanceId,
    pub(crate) stats: ProxyStats,
    pub(crate) backend_stats: BackendStats,
    pub(crate) started_at: Instant,
}

impl ReverseProxy {
    /// A proxy with this configuration; serve it with [`run`](crate::run).
    pub fn new(config: Config) -> Arc<Self> {
        let identity = InstanceId::new();
        let forwarding = Forwarding {
            role: ProxyRole::Reverse,
            via_pseudonym: identity.via_pseudonym("reverse_proxy"),
            scheme: "http",
            trusted_proxies: config.trusted_proxies.clone(),
            backend_keep_alive: false,
        };
        let started_at = clock::now();
        let addresses = Arc::new(AddressList::new(config.addresses.iter().copied(), started_at));
        let (stats, backend_stats) = (ProxyStats::default(), BackendStats::default());
        Arc::new(Self { config, addresses, forwarding, identity, stats, backend_stats, started_at })
    }

    /// The table that is printed on SIGUSR1 and at exit.
    pub fn stats_table(&self) -> String {
        let row = StatsRow {
            name: self.config.backend_name.clone(),
            state: "UP",
            active: self.backend_stats.active_requests(),
            stats: &self.backend_stats,
        };
        self.stats.table(self.started_at.elapsed(), [row])
    }

    /// Counts a finished exchange, and logs it if `log_requests` is set.
    pub(crate) fn log_and_count(&self, client: IpAddr, exchange: &Exchange) {
        log_and_count(&self.stats, self.config.log_requests, client, exchange);
    }
}
