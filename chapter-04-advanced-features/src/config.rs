//! The validated configuration of a balancer, resolved from a command line or a file.

use std::time::Duration;

use common::{endpoint::Endpoint, timeouts::Timeouts};

use crate::{balance::group::GroupPolicy, routing::RouteTable};

/// The configuration of one group.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// The group's name.
    pub name: String,
    /// The group's backends.
    pub backends: Vec<Endpoint>,
    /// What it does for its requests and its backends.
    pub policy: GroupPolicy,
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
    /// How many health checks may be in flight.
    pub max_concurrent_checks: usize,
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
