//! The limits of a process, as its workers share them.

use std::{
    net::IpAddr,
    num::{NonZeroU32, NonZeroUsize},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use advanced_features::routing::RequestInfo;
use clap::ValueEnum;
use ipnet::IpNet;

use super::{
    connections::ConnectionLimit,
    counters::{LimitReport, WorkerCounters},
};
use crate::{
    algorithm::{FixedWindow, Gcra, GovernorGcra, SlidingLog, SlidingWindow, TokenBucket},
    bandwidth::{BandwidthLimit, rule::BandwidthRule},
    limiter::{KeyedLimiter, RateLimiter},
    rule::{AlgorithmName, KeyHasher, KeySource, LimitRule},
};

/// Which headers tell clients about their limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum HeaderStyle {
    /// `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers
    #[default]
    Draft,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, of the limit with the least left
    Legacy,
    /// Both
    Both,
    /// None
    Off,
}

/// The limits as they are configured.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// In the order in which they are asked, each with its name.
    pub rules: Vec<(String, LimitRule)>,
    /// Clients that no limit applies to.
    pub exempt: Vec<IpNet>,
    /// Only counts and logs what would be refused.
    pub dry_run: bool,
    /// Keys per limit.
    pub max_keys: NonZeroUsize,
    /// The headers.
    pub headers: HeaderStyle,
    /// The most open connections of each address.
    pub max_clients_per_ip: Option<NonZeroU32>,
    /// The limit on bandwidth.
    pub bandwidth: Option<BandwidthRule>,
}

/// Makes the limiter of a limit, for so many keys (0: one limit for all requests).
pub type LimiterFactory = fn(&LimitRule, usize) -> Box<dyn RateLimiter>;

/// The limits, as a [`Filter`](connection_pooling::Filter).
#[derive(Clone, Debug)]
pub struct RateLimits(pub(super) Arc<Limits>);

/// What the workers share.
#[derive(Debug)]
pub(super) struct Limits {
    /// In the order in which they are asked.
    pub(super) in_order: Vec<Limit>,
    /// Times are counted from here.
    epoch: Instant,
    /// One of them applies to some paths only.
    pub(super) has_paths: bool,
    /// The line of `RateLimit-Policy` for a request to which all of them apply.
    pub(super) policy_line: Vec<u8>,
    pub(super) hasher: KeyHasher,
    exempt: Vec<IpNet>,
    pub(super) dry_run: bool,
    pub(super) headers: HeaderStyle,
    /// By worker.
    pub(super) counters: Vec<WorkerCounters>,
    pub(super) connections: Option<Arc<ConnectionLimit>>,
    pub(super) bandwidth: Option<Arc<BandwidthLimit>>,
}

/// One limit.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) name: String,
    pub(super) rule: LimitRule,
    pub(super) limiter: Box<dyn RateLimiter>,
    /// `"login";q=10;w=60`, and the beginning of `"login";r=3;t=6`.
    pub(super) policy_item: String,
    pub(super) status_prefix: String,
    /// When the next line may be logged, in milliseconds since [`Limits::epoch`].
    next_log_ms: AtomicU64,
}

impl RateLimits {
    /// These limits for `workers` workers, each with the limiter that `make` makes. The windows begin at `now`.
    pub fn with_limiters(config: LimitsConfig, workers: NonZeroUsize, now: Instant, make: LimiterFactory) -> Self {
        let LimitsConfig { rules, exempt, dry_run, max_keys, headers, max_clients_per_ip, bandwidth } = config;
        let limits: Vec<_> = rules.into_iter().map(|(name, rule)| Limit::new(name, rule, max_keys, make)).collect();
        let policy_items: Vec<_> = limits.iter().map(|limit| limit.policy_item.as_str()).collect();
        let policy_line = format!("RateLimit-Policy: {}\r\n", policy_items.join(", ")).into_bytes();
        let counters = (0..workers.get()).map(|_| WorkerCounters::new(limits.len())).collect();
        let connections = max_clients_per_ip.map(|limit| Arc::new(ConnectionLimit::new(limit.get())));
        let bandwidth = bandwidth.map(|rule| Arc::new(BandwidthLimit::new(rule, max_keys.get(), now)));
        Self(Arc::new(Limits {
            has_paths: limits.iter().any(|limit| limit.rule.path.is_some()),
            policy_line,
            in_order: limits,
            epoch: now,
            hasher: KeyHasher::default(),
            exempt,
            dry_run,
            // It changes nothing.
            headers: if dry_run { HeaderStyle::Off } else { headers },
            counters,
            connections,
            bandwidth,
        }))
    }

    /// What each limit has decided so far.
    pub fn reports(&self) -> Vec<LimitReport> {
        let report = |(index, limit): (usize, &Limit)| LimitReport {
            name: limit.name.clone(),
            rule: limit.rule.to_string(),
            stats: self.0.counters.iter().map(|worker| worker.stats(index)).sum(),
            without_slot: limit.limiter.overflows(),
        };
        self.0.in_order.iter().enumerate().map(report).collect()
    }

    /// Whether nothing is refused, only counted.
    pub fn is_dry_run(&self) -> bool {
        self.0.dry_run
    }

    /// The limit on the connections of each address.
    pub fn connections(&self) -> Option<&ConnectionLimit> {
        self.0.connections.as_deref()
    }

    /// The limit on bandwidth.
    pub fn bandwidth(&self) -> Option<&BandwidthLimit> {
        self.0.bandwidth.as_deref()
    }

    /// Each limit's name, its rule, and the most memory that it will take, in bytes.
    pub fn memory(&self) -> impl Iterator<Item = (&str, &LimitRule, usize)> {
        self.0.in_order.iter().map(|limit| (limit.name.as_str(), &limit.rule, limit.limiter.max_bytes()))
    }
}

impl Limits {
    /// The time as the limiters count it.
    pub(super) fn time(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }

    pub(super) fn is_exempt(&self, request: &RequestInfo<'_>) -> bool {
        !self.exempt.is_empty() && self.exempt.iter().any(|network| network.contains(&request.client.to_canonical()))
    }
}

impl Limit {
    fn new(name: String, rule: LimitRule, max_keys: NonZeroUsize, make: LimiterFactory) -> Self {
        let keys = if rule.key == KeySource::Global { 0 } else { max_keys.get() };
        let rate = rule.quota.rate;
        Self {
            limiter: make(&rule, keys),
            policy_item: format!("\"{name}\";q={};w={}", rate.count(), rate.period().seconds()),
            status_prefix: format!("\"{name}\";r="),
            name,
            rule,
            next_log_ms: AtomicU64::new(0),
        }
    }

    pub(super) fn applies_to(&self, request: &RequestInfo<'_>) -> bool {
        self.rule.path.as_ref().is_none_or(|path| request.path_matches(path))
    }

    /// Logs that it would have refused a request, at most once a second.
    pub(super) fn log_refusal(&self, client: IpAddr, now: Duration) {
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let after_a_second = |next_ms: u64| (now_ms >= next_ms).then_some(now_ms.saturating_add(1_000));
        if self.next_log_ms.fetch_update(Relaxed, Relaxed, after_a_second).is_ok() {
            tracing::warn!("limit {}: would refuse a request from {client}", self.name);
        }
    }
}

/// The limiter with the algorithm that the rule names: the default [`LimiterFactory`].
pub fn limiter_for(rule: &LimitRule, keys: usize) -> Box<dyn RateLimiter> {
    let (quota, rate) = (rule.quota, rule.quota.rate);
    match rule.algorithm {
        AlgorithmName::Gcra => Box::new(KeyedLimiter::new(Gcra::new(quota), keys)),
        AlgorithmName::Token => Box::new(KeyedLimiter::new(TokenBucket::new(quota), keys)),
        AlgorithmName::Governor => Box::new(KeyedLimiter::new(GovernorGcra::new(quota), keys)),
        AlgorithmName::Fixed => Box::new(KeyedLimiter::new(FixedWindow::new(rate), keys)),
        AlgorithmName::Sliding => Box::new(KeyedLimiter::new(SlidingWindow::new(rate), keys)),
        AlgorithmName::Log => Box::new(KeyedLimiter::new(SlidingLog::new(rate), keys)),
    }
}
