//! A running balancer: its configuration, its backends and its counters.

use std::net::IpAddr;

use common::http::Exchange;
use simple_proxy::request_log::log_and_count;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    clock::now,
    endpoint::Endpoint,
    http::{BackendId, Forwarding, ProxyRole},
    instance_id::InstanceId,
    timeouts::Timeouts,
};
use simple_proxy::stats::{ProxyStats, StatsRow};

use crate::{
    backend::Backend,
    cluster::Cluster,
    dns_refresher::{DnsRefresher, DnsTarget as _, Resolve},
    pick::Pick,
};

/// The configuration of a balancer.
#[derive(Debug, Clone)]
pub struct Config {
    /// The backends. Their indexes are those that a picker gets.
    pub backends: Vec<Endpoint>,
    /// How often backend names are resolved again.
    pub resolve_interval: Duration,
    /// How long a backend is marked down after a failed connect.
    pub down_time: Duration,
    /// How many clients may be connected at once.
    pub max_clients: usize,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// The networks whose `X-Forwarded-*` headers are trusted.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Whether each request gets a log line.
    pub log_requests: bool,
}

/// A running balancer: its configuration, its backends and its counters.
#[derive(Debug)]
pub struct Balancer {
    pub(crate) config: Config,
    pub(crate) cluster: Cluster,
    pub(crate) dns_refresher: DnsRefresher,
    pub(crate) forwarding: Forwarding,
    pub(crate) identity: InstanceId,
    pub(crate) stats: ProxyStats,
    pub(crate) started_at: Instant,
}

impl Balancer {
    /// A balancer with this configuration, whose `picker` picks the backend of each request; serve it with
    /// [`run`](crate::run). Resolves each name once, and starts the DNS refresher.
    ///
    /// # Errors
    /// A name does not resolve: this must fail at startup, not with the first request.
    pub fn new(config: Config, resolver: impl Resolve, picker: Box<dyn Pick>) -> io::Result<Arc<Self>> {
        let started_at = now();
        let backend = |(slot, endpoint): (usize, &Endpoint)| {
            let slot = u16::try_from(slot).map_err(|_| io::Error::other("more than 65,536 backends"))?;
            let id = BackendId { slot, generation: 0 };
            let addresses = resolver.resolve(&endpoint.host, endpoint.port)?;
            Ok(Arc::new(Backend::new(id, endpoint.clone(), addresses, started_at)))
        };
        let backends: Vec<_> = config.backends.iter().enumerate().map(backend).collect::<io::Result<_>>()?;
        let refresh_targets = backends.clone();
        let dns_refresher = DnsRefresher::start(move || refresh_targets.clone(), config.resolve_interval, resolver)?;
        let identity = InstanceId::new();
        let forwarding = Forwarding {
            role: ProxyRole::Reverse,
            via_pseudonym: identity.via_pseudonym("load_balancer"),
            scheme: "http",
            trusted_proxies: config.trusted_proxies.clone(),
            backend_keep_alive: false,
        };
        let (cluster, stats) = (Cluster::new(backends, picker), ProxyStats::default());
        Ok(Arc::new(Self { config, cluster, dns_refresher, forwarding, identity, stats, started_at }))
    }

    /// The table that is printed on SIGUSR1 and at exit.
    pub fn stats_table(&self) -> String {
        let now = now();
        let rows = self.cluster.backends().iter().map(|backend| StatsRow {
            name: backend.endpoint().to_string(),
            state: if backend.is_down(now) { "DOWN" } else { "UP" },
            active: backend.stats.active_requests(),
            stats: &backend.stats,
        });
        self.stats.table(now - self.started_at, rows)
    }

    /// Counts a finished exchange, and logs it if `log_requests` is set.
    pub(crate) fn log_and_count(&self, client: IpAddr, exchange: &Exchange) {
        log_and_count(&self.stats, self.config.log_requests, client, exchange);
    }
}
