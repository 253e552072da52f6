//! A running balancer: its configuration, its backends and what it counts.

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
    http::{BackendId, Forwarding, Role},
    instance_id::Identity,
    timeouts::Timeouts,
};
use simple_proxy::stats::{Row, Totals};

use crate::{
    backend::Backend,
    cluster::Cluster,
    dns_refresher::{Named as _, Names, Resolve},
};

/// What the balancer is to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// The backends, in the order of their turns.
    pub backends: Vec<Endpoint>,
    /// How often names are resolved again.
    pub resolve_interval: Duration,
    /// How long a backend is left out after a failed connect.
    pub down_time: Duration,
    /// Clients served at once.
    pub max_clients: usize,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Who may speak for other clients.
    pub trusted: Vec<ipnet::IpNet>,
    /// Whether each request gets a log line.
    pub log_requests: bool,
}

/// A running balancer: its configuration, its backends and its counters.
#[derive(Debug)]
pub struct Balancer {
    pub(crate) config: Config,
    pub(crate) cluster: Cluster,
    pub(crate) names: Names,
    pub(crate) forwarding: Forwarding,
    pub(crate) identity: Identity,
    pub(crate) totals: Totals,
    pub(crate) started: Instant,
}

impl Balancer {
    /// A balancer that is to be [`run`]. Each name is resolved once before it returns.
    ///
    /// # Errors
    /// A name that cannot be resolved: better said now than found out by the first client.
    pub fn new(config: Config, resolver: impl Resolve) -> io::Result<Arc<Self>> {
        let started = now();
        let backend = |(slot, endpoint): (usize, &Endpoint)| {
            let slot = u16::try_from(slot).map_err(|_| io::Error::other("more than 65,536 backends"))?;
            let id = BackendId { slot, generation: 0 };
            let addresses = resolver.resolve(&endpoint.host, endpoint.port)?;
            Ok(Arc::new(Backend::new(id, endpoint.clone(), addresses, started)))
        };
        let backends: Vec<_> = config.backends.iter().enumerate().map(backend).collect::<io::Result<_>>()?;
        let watched = backends.clone();
        let names = Names::watch(move || watched.clone(), config.resolve_interval, resolver)?;
        let identity = Identity::new();
        let forwarding = Forwarding {
            role: Role::Reverse,
            via: identity.pseudonym("load_balancer"),
            scheme: "http",
            trusted: config.trusted.clone(),
            pooled: false,
        };
        let (cluster, totals) = (Cluster::new(backends), Totals::default());
        Ok(Arc::new(Self { config, cluster, names, forwarding, identity, totals, started }))
    }

    /// The table that SIGUSR1 and the exit print.
    pub fn statistics(&self) -> String {
        let now = now();
        let rows = self.cluster.backends().iter().map(|backend| Row {
            name: backend.endpoint().to_string(),
            state: if backend.is_down(now) { "DOWN" } else { "UP" },
            active: backend.totals.active(),
            totals: &backend.totals,
        });
        self.totals.table(now - self.started, rows)
    }

    /// Counts an exchange that has ended, and logs it if requests are logged.
    pub(crate) fn log_and_count(&self, client: IpAddr, exchange: &Exchange) {
        log_and_count(&self.totals, self.config.log_requests, client, exchange);
    }
}
