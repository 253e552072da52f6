//! The validated configuration of a balancer, resolved from a command line or a file.

use std::{sync::Arc, time::Duration};

use common::{endpoint::Endpoint, timeouts::Timeouts};

use crate::{
    balance::{backend, group::LbPolicyConfig},
    health::{active::config::CheckConfig, breaker},
    limit::{adaptive::OverloadPolicy, backoff::Backoff},
    routing::{HashKey, RouteTable},
};

/// The configuration of one group.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// The group's name.
    pub name: String,
    /// The group's backends.
    pub backends: Vec<Endpoint>,
    /// How the group picks a backend.
    pub lb_policy: LbPolicyConfig,
}

/// The configuration of a balancer.
#[derive(Debug, Clone)]
pub struct Config {
    /// The groups of backends.
    pub groups: Vec<GroupConfig>,
    /// The routing rules between them.
    pub routes: RouteTable,
    /// The index of the group for requests that no rule matches; `None` answers them with 404.
    pub default_group: Option<usize>,
    /// The part of a request that the hashing algorithms hash.
    pub hash_key: HashKey,
    /// The settings that all backends share.
    pub backend_settings: backend::BackendSettings,
    /// How backends are checked; `None` disables health checks.
    pub health_check: Option<CheckConfig>,
    /// When a group's circuit breaker opens.
    pub breaker: breaker::BreakerConfig,
    /// Maximum retries of a request that was sent, each on a different backend.
    pub max_retries: u32,
    /// The back-off before a retry.
    pub backoff: Backoff,
    /// Maximum queued requests per group.
    pub queue_limit: usize,
    /// Maximum time a request may be queued.
    pub queue_timeout: Duration,
    /// What groups do under overload; `None`: only their queues are bounded.
    pub overload: Option<Arc<dyn OverloadPolicy>>,
    /// Interval between DNS refreshes of backend names.
    pub resolve_interval: Duration,
    /// Maximum concurrent client connections.
    pub max_clients: usize,
    /// How many backend connections may be open beyond one per client. For a thread per client; the engines of chapters
    /// 5 and 6 learn from the kernel when descriptors have run out.
    pub spare_upstreams: usize,
    /// The timeouts of each phase of an exchange.
    pub timeouts: Timeouts,
    /// Peers whose forwarding headers are trusted.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Whether each request gets a log line.
    pub log_requests: bool,
}
