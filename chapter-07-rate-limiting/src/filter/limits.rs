//! The limits of a process, as its workers share them.

use std::{
    net::IpAddr,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use advanced_features::routing::{RequestInfo, RouteTable};
use clap::ValueEnum;
use ipnet::IpNet;

use super::counters::{LimitReport, WorkerCounters};
use crate::{
    algorithm::{FixedWindow, Gcra, GovernorGcra, SlidingLog, SlidingWindow, TokenBucket},
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
}

/// The limits, as a [`Filter`](connection_pooling::Filter).
#[derive(Clone, Debug)]
pub struct RateLimits(pub(super) Arc<Limits>);

/// What the workers share.
#[derive(Debug)]
pub(super) struct Limits {
    /// In the order in which they are asked.
    pub(super) in_order: Vec<Limit>,
    pub(super) hasher: KeyHasher,
    exempt: Vec<IpNet>,
    pub(super) dry_run: bool,
    pub(super) headers: HeaderStyle,
    /// By worker.
    pub(super) counters: Vec<WorkerCounters>,
}

/// One limit.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) name: String,
    pub(super) rule: LimitRule,
    pub(super) limiter: Box<dyn RateLimiter>,
    /// The paths that it applies to; `None` for all. A routing table of one rule, so that a limit and a route read a
    /// path alike.
    pub(super) paths: Option<RouteTable>,
    epoch: Instant,
    /// When the last line was logged, in seconds since `epoch`, plus one.
    logged_at: AtomicU64,
}

impl RateLimits {
    /// These limits for `workers` workers. The windows begin at `now`.
    pub fn new(config: LimitsConfig, workers: NonZeroUsize, now: Instant) -> Self {
        let LimitsConfig { rules, exempt, dry_run, max_keys, headers } = config;
        let limits: Vec<_> = rules.into_iter().map(|(name, rule)| Limit::new(name, rule, max_keys, now)).collect();
        let counters = (0..workers.get()).map(|_| WorkerCounters::new(limits.len())).collect();
        Self(Arc::new(Limits { in_order: limits, hasher: KeyHasher::default(), exempt, dry_run, headers, counters }))
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

    /// Each limit's name, its rule, and the most memory that it will take, in bytes.
    pub fn memory(&self) -> impl Iterator<Item = (&str, &LimitRule, usize)> {
        self.0.in_order.iter().map(|limit| (limit.name.as_str(), &limit.rule, limit.limiter.max_bytes()))
    }
}

impl Limits {
    pub(super) fn is_exempt(&self, client: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(&client.to_canonical()))
    }
}

impl Limit {
    fn new(name: String, rule: LimitRule, max_keys: NonZeroUsize, epoch: Instant) -> Self {
        let keys = if rule.key == KeySource::Global { 1 } else { max_keys.get() };
        let paths = rule.path.as_ref().map(|path| {
            let only = format!("path={path} -> limited").parse().expect("a pattern as it is displayed can be parsed");
            RouteTable::new(vec![only], &["limited"]).expect("one rule and its group")
        });
        Self { limiter: limiter(&rule, keys, epoch), name, rule, paths, epoch, logged_at: AtomicU64::new(0) }
    }

    pub(super) fn applies_to(&self, request: &RequestInfo<'_>) -> bool {
        self.paths.as_ref().is_none_or(|paths| paths.match_rule(request).is_some())
    }

    /// True at most once a second.
    pub(super) fn may_log(&self, now: Instant) -> bool {
        const INTERVAL: Duration = Duration::from_secs(1);
        let second = now.saturating_duration_since(self.epoch).as_secs() / INTERVAL.as_secs() + 1;
        self.logged_at.fetch_max(second, Relaxed) < second
    }
}

fn limiter(rule: &LimitRule, keys: usize, epoch: Instant) -> Box<dyn RateLimiter> {
    let (quota, rate) = (rule.quota, rule.quota.rate);
    match rule.algorithm {
        AlgorithmName::Gcra => Box::new(KeyedLimiter::new(Gcra::new(quota, epoch), keys)),
        AlgorithmName::Token => Box::new(KeyedLimiter::new(TokenBucket::new(quota, epoch), keys)),
        AlgorithmName::Governor => Box::new(KeyedLimiter::new(GovernorGcra::new(quota, epoch), keys)),
        AlgorithmName::Fixed => Box::new(KeyedLimiter::new(FixedWindow::new(rate, epoch), keys)),
        AlgorithmName::Sliding => Box::new(KeyedLimiter::new(SlidingWindow::new(rate, epoch), keys)),
        AlgorithmName::Log => Box::new(KeyedLimiter::new(SlidingLog::new(rate, epoch), keys)),
    }
}
