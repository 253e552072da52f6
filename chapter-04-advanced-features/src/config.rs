//! What the balancer is to do, checked and resolved: what a command line or a file has come to.

use std::time::Duration;

use common::{endpoint::Endpoint, timeouts::Timeouts};

use crate::{
    balance::{backend, group::LbPolicyConfig},
    health::{active::config::CheckConfig, breaker},
    limit::backoff::Backoff,
    routing::{HashKey, RouteTable},
};

/// One group.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// Its name.
    pub name: String,
    /// Its backends.
    pub backends: Vec<Endpoint>,
    /// How it chooses.
    pub lb_policy: LbPolicyConfig,
}

/// What the balancer is to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// The groups of backends.
    pub groups: Vec<GroupConfig>,
    /// Which requests are for which of them.
    pub routes: RouteTable,
    /// The place of the group for all other requests.
    pub default_group: Option<usize>,
    /// What of a request the hashes hash.
    pub hash_key: HashKey,
    /// What all backends have in common.
    pub backend_settings: backend::BackendSettings,
    /// How backends are checked; not at all without.
    pub health_check: Option<CheckConfig>,
    /// When a group is left alone.
    pub breaker: breaker::BreakerConfig,
    /// How often a request that was sent may be sent again, each time elsewhere.
    pub max_retries: u32,
    /// How long to wait before that.
    pub backoff: Backoff,
    /// How many requests may wait for a slot in each group.
    pub queue_limit: usize,
    /// For how long.
    pub queue_timeout: Duration,
    /// How often backend names are resolved again.
    pub resolve_interval: Duration,
    /// Clients served at once.
    pub max_clients: usize,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Who may speak for other clients.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Whether each request gets a log line.
    pub log_requests: bool,
}
