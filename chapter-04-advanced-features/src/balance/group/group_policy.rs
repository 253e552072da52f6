//! What a group does for its requests and its backends: a command line gives all groups the same, a file to each its own.

use std::{sync::Arc, time::Duration};

use crate::{
    balance::{backend::BackendSettings, policy::Algorithm},
    health::breaker::BreakerConfig,
    limit::{adaptive::OverloadPolicy, backoff::Backoff},
    routing::{HashKey, StickyCookie},
};

/// How a group picks a backend.
#[derive(Debug, Clone, Default)]
pub struct LbPolicyConfig {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The part of a request that the hashing algorithms hash.
    pub hash_key: HashKey,
    /// Bounded load: the most requests per backend relative to the average, for the consistent hashes.
    pub balance_factor: Option<f64>,
    /// The affinity cookie that ties a client to its backend.
    pub sticky: Option<StickyCookie>,
    /// Affinity by client address, for clients without that cookie; an entry expires after this idle time.
    pub sticky_source: Option<Duration>,
}

/// The policy of a group.
#[derive(Debug, Clone)]
pub struct GroupPolicy {
    /// How it picks a backend.
    pub lb_policy: LbPolicyConfig,
    /// The settings of its backends.
    pub backend_settings: BackendSettings,
    /// When its circuit breaker opens.
    pub breaker: BreakerConfig,
    /// Maximum retries of a request that was sent, each on a different backend.
    pub max_retries: u32,
    /// The back-off before a retry.
    pub backoff: Backoff,
    /// Maximum queued requests.
    pub queue_limit: usize,
    /// Maximum time a request may be queued.
    pub queue_timeout: Duration,
    /// What it does under overload; `None`: only its queue is bounded.
    pub overload: Option<Arc<dyn OverloadPolicy>>,
}

impl Default for GroupPolicy {
    /// The defaults of the command line.
    fn default() -> Self {
        Self {
            lb_policy: LbPolicyConfig::default(),
            backend_settings: BackendSettings::default(),
            breaker: BreakerConfig::default(),
            max_retries: 1,
            backoff: Backoff::default(),
            queue_limit: 1024,
            queue_timeout: Duration::from_secs(5),
            overload: None,
        }
    }
}
