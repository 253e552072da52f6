//! A running forward proxy: its configuration and its counters.

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

use crate::forward_proxy::{
    acl::{AllowRule, DestinationAcl},
    credentials::Credentials,
};
use crate::stats::{BackendStats, ProxyStats, StatsRow};

/// The configuration of a forward proxy.
#[derive(Debug, Clone)]
pub struct Config {
    /// The allowed destinations; empty: any.
    pub allow: Vec<AllowRule>,
    /// The credentials that clients must send; `None`: no authentication.
    pub auth: Option<Credentials>,
    /// How many clients may be connected at once.
    pub max_clients: usize,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Whether each request gets a log line.
    pub log_requests: bool,
}

/// A running forward proxy: its configuration and its counters.
#[derive(Debug)]
pub struct ForwardProxy {
    pub(crate) config: Config,
    pub(crate) acl: DestinationAcl,
    pub(crate) forwarding: Forwarding,
    pub(crate) identity: InstanceId,
    pub(crate) stats: ProxyStats,
    pub(crate) request_stats: BackendStats,
    pub(crate) tunnel_stats: BackendStats,
    pub(crate) started_at: Instant,
}

impl ForwardProxy {
    /// A proxy that listens on `listen_address`; serve it with [`run`](super::run).
    pub fn new(config: Config, listen_address: SocketAddr) -> Arc<Self> {
        let identity = InstanceId::new();
        let forwarding = Forwarding {
            role: ProxyRole::Forward,
            via_pseudonym: identity.via_pseudonym("forward_proxy"),
            scheme: "http",
            trusted_proxies: Vec::new(),
            backend_keep_alive: false,
        };
        Arc::new(Self {
            acl: DestinationAcl::new(config.allow.clone(), listen_address),
            config,
            forwarding,
            identity,
            stats: ProxyStats::default(),
            request_stats: BackendStats::default(),
            tunnel_stats: BackendStats::default(),
            started_at: clock::now(),
        })
    }

    /// The table that is printed on SIGUSR1 and at exit. A row per destination would let clients grow the table
    /// without limit, so there is one row for each form of request.
    pub fn stats_table(&self) -> String {
        let rows = [("http://...", &self.request_stats), ("CONNECT", &self.tunnel_stats)];
        let rows = rows.map(|(name, stats)| StatsRow {
            name: name.to_owned(),
            state: "-",
            active: stats.active_requests(),
            stats,
        });
        self.stats.table(self.started_at.elapsed(), rows)
    }

    /// Counts a finished exchange, and logs it if `log_requests` is set.
    pub(crate) fn log_and_count(&self, client: IpAddr, exchange: &Exchange) {
        log_and_count(&self.stats, self.config.log_requests, client, exchange);
    }
}
