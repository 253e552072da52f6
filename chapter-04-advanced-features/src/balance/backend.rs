//! One configured backend: its health, its load, its settings, and whether it may be picked.
//!
//! Several sources of health status meet here: active checks, live connects, live responses, and an operator's drain.
//! Each keeps its own flag and clears it in its own time; [`Backend::state`] combines them. Every change of a flag
//! notifies the group ([`ChangeNotifier`]), which then rebuilds its backend view.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use common::{endpoint::Endpoint, http::BackendId, net::Addresses};
use load_balancer::{address_set::AddressSet, dns_refresher::DnsTarget};
use simple_proxy::stats::BackendStats;

use super::{
    change_notifier::ChangeNotifier,
    keep_alive::KeepAlive,
    policy::{Candidate, PeakEwma, hash},
};
use crate::{
    health::{
        active::{config::CheckConfig, health_status::HealthTransition, target::HealthTarget},
        passive::{
            connect_breaker::{ConnectBreaker, ConnectBreakerState, FailureEffect},
            outlier::{self, OutlierDetector},
        },
        slow_start::SlowStart,
    },
    limit::concurrency::ConcurrencyLimit,
    routing::StickyValue,
};

/// The settings that all backends of a group share.
#[derive(Debug, Clone)]
pub struct BackendSettings {
    /// How they are checked; `None`: they are not.
    pub health_check: Option<Arc<CheckConfig>>,
    /// Maximum concurrent requests per backend; `None` for no limit.
    pub max_connections: Option<u32>,
    /// How long a backend stays marked down after a failed connect.
    pub down_time: Duration,
    /// When a backend is ejected, and for how long.
    pub outlier: outlier::OutlierConfig,
    /// How long a recovered backend takes to reach its full share.
    pub slow_start: Duration,
}

impl Default for BackendSettings {
    /// The defaults of the command line.
    fn default() -> Self {
        Self {
            health_check: Some(Arc::default()),
            max_connections: None,
            down_time: Duration::from_secs(10),
            outlier: outlier::OutlierConfig::default(),
            slow_start: Duration::from_secs(30),
        }
    }
}

/// The health status of a backend. The first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendState {
    /// A live connect failed recently.
    ConnectFailed {
        /// When a request may try to connect again.
        until: Instant,
    },
    /// Active health checks have failed.
    Down,
    /// Ejected after consecutive failed responses.
    Ejected {
        /// When the ejection ends.
        until: Instant,
    },
    /// Drained by an operator: it gets no new clients.
    Draining,
    /// One request at a time may probe whether it has recovered.
    HalfOpen,
    /// It may be picked.
    Up,
}

impl BackendState {
    /// The name in the statistics table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectFailed { .. } | Self::Down => "DOWN",
            Self::Ejected { .. } => "EJECTED",
            Self::Draining => "DRAIN",
            Self::HalfOpen => "HALF-OPEN",
            Self::Up => "UP",
        }
    }
}

/// A backend as configured. It is not an address: a name may resolve to many addresses, and they change.
#[derive(Debug)]
pub struct Backend {
    id: BackendId,
    endpoint: Endpoint,
    name_hash: u64,
    addresses: AddressSet,
    weight: AtomicU32,
    draining: AtomicBool,
    checks_down: AtomicBool,
    /// The health status from live connects.
    pub(crate) connect_breaker: ConnectBreaker,
    outlier: OutlierDetector,
    ejections: AtomicU64,
    /// The share it takes after it has recovered.
    pub(crate) slow_start: SlowStart,
    latency: PeakEwma,
    /// Requests in flight.
    pub concurrency: ConcurrencyLimit,
    /// How long it keeps an idle connection open.
    pub keep_alive: Arc<KeepAlive>,
    /// Its statistics.
    pub totals: BackendStats,
    settings: BackendSettings,
    /// The value of the affinity cookie that ties a client to it.
    sticky_value: Option<StickyValue>,
    change_notifier: Arc<ChangeNotifier>,
}

impl Backend {
    /// A backend that is up. `now` is the epoch of its timestamps.
    pub fn new(
        id: BackendId,
        endpoint: Endpoint,
        addresses: Vec<SocketAddr>,
        settings: BackendSettings,
        sticky_value: Option<StickyValue>,
        change_notifier: Arc<ChangeNotifier>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            sticky_value,
            change_notifier,
            // Without the weight: a backend stays the same when its weight changes.
            name_hash: hash::hash(endpoint.to_string().as_bytes()),
            addresses: AddressSet::new(addresses, now),
            weight: AtomicU32::new(endpoint.weight.unwrap_or(1)),
            endpoint,
            draining: AtomicBool::new(false),
            checks_down: AtomicBool::new(false),
            connect_breaker: ConnectBreaker::new(now),
            outlier: OutlierDetector::new(settings.outlier, now),
            ejections: AtomicU64::new(0),
            slow_start: SlowStart::new(settings.slow_start, SlowStart::DEFAULT_MIN_FACTOR, now),
            latency: PeakEwma::new(now),
            concurrency: ConcurrencyLimit::new(settings.max_connections),
            keep_alive: Arc::default(),
            totals: BackendStats::default(),
            settings,
        }
    }

    /// Its id.
    pub fn id(&self) -> BackendId {
        self.id
    }

    /// Its name, as configured and without its weight.
    pub fn name(&self) -> String {
        self.endpoint.to_string()
    }

    /// The value of the affinity cookie that ties a client to it, if its group uses cookies.
    pub fn sticky_value(&self) -> Option<StickyValue> {
        self.sticky_value
    }

    /// The settings of its group's backends.
    pub fn settings(&self) -> &BackendSettings {
        &self.settings
    }

    /// The addresses of its name.
    pub fn addresses(&self) -> &AddressSet {
        &self.addresses
    }

    /// Its weight now; an operator may have changed it. 0: it serves only clients that are tied to it.
    pub fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    /// Its health status now.
    // ANCHOR: state
    pub fn state(&self, now: Instant) -> BackendState {
        let connects = self.connect_breaker.state(now);
        match connects {
            ConnectBreakerState::Open { until } => BackendState::ConnectFailed { until },
            _ if self.checks_down.load(Relaxed) => BackendState::Down,
            _ if self.outlier.is_ejected(now) => {
                BackendState::Ejected { until: self.outlier.ejected_until().unwrap_or(now) }
            }
            _ if self.draining.load(Relaxed) => BackendState::Draining,
            ConnectBreakerState::HalfOpen => BackendState::HalfOpen,
            ConnectBreakerState::Closed => BackendState::Up,
        }
    }
    // ANCHOR_END: state

    /// Records a failed live connect: the backend is marked down for a while. Returns whether that is a change.
    pub fn record_connect_failure(&self, now: Instant) -> bool {
        self.totals.count_failure();
        self.latency.record_failure(now);
        let effect = self.connect_breaker.record_failure(now, self.settings.down_time);
        // A backend that dies fails all pending connects: only the first of them changes what may be picked, and each
        // notification makes the group rebuild its view, with the tables of its algorithm.
        if effect != FailureEffect::StillOpen {
            self.change_notifier.notify();
        }
        effect == FailureEffect::Opened
    }

    /// Records a successful live connect. Returns whether that is a change.
    pub fn record_connect_success(&self, now: Instant) -> bool {
        let changed = self.connect_breaker.record_success();
        if changed {
            self.on_recovery(now);
        }
        changed
    }

    /// Records the result of a health check. A successful check also clears the mark of a failed connect: it has
    /// connected.
    pub fn record_check(&self, succeeded: bool, transition: Option<HealthTransition>, now: Instant) {
        let recovered = succeeded && self.connect_breaker.record_success();
        match transition {
            Some(HealthTransition::Down) => {
                self.checks_down.store(true, Relaxed);
                self.change_notifier.notify();
            }
            Some(HealthTransition::Up) => {
                self.checks_down.store(false, Relaxed);
                self.on_recovery(now);
            }
            None if recovered => self.on_recovery(now),
            None => {}
        }
    }

    fn on_recovery(&self, now: Instant) {
        self.slow_start.start(now);
        self.change_notifier.notify();
    }

    /// Records the outcome of an attempt. Returns for how long the backend is ejected, if this failure exceeds the
    /// limit.
    pub fn record_attempt(&self, outcome: AttemptOutcome, now: Instant) -> Option<Duration> {
        let failed = match outcome {
            AttemptOutcome::Response { status, latency } => {
                // Even where a 500 is no failure, a quick one must not make the backend look fast.
                if is_server_error(status) {
                    self.latency.record_failure(now);
                } else {
                    self.latency.record(latency, now);
                }
                self.outlier.is_failure(status)
            }
            AttemptOutcome::BackendFailure => {
                self.totals.count_failure();
                self.latency.record_failure(now);
                true
            }
            AttemptOutcome::Inconclusive => return None,
        };
        let ejected = self.outlier.record(failed, now);
        if ejected.is_some() {
            self.ejections.fetch_add(1, Relaxed);
            self.change_notifier.notify();
        }
        ejected
    }

    /// How often it has been ejected.
    pub fn ejections(&self) -> u64 {
        self.ejections.load(Relaxed)
    }

    /// Stops new clients, or accepts them again.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Relaxed);
        self.change_notifier.notify();
    }

    /// Whether an operator has stopped new clients.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Sets its weight.
    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Relaxed);
        self.change_notifier.notify();
    }
}

/// The outcome of an attempt, as far as it says something about the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The backend responded.
    Response {
        /// The status code.
        status: u16,
        /// From the request to the first byte of the response.
        latency: Duration,
    },
    /// The backend closed or reset the connection, or timed out.
    BackendFailure,
    /// The client disconnected, or the balancer gave up: says nothing about the backend.
    Inconclusive,
}

fn is_server_error(status: u16) -> bool {
    (500..=599).contains(&status)
}

impl Candidate for Backend {
    fn name_hash(&self) -> u64 {
        self.name_hash
    }

    fn weight(&self) -> u32 {
        self.weight()
    }

    fn in_flight(&self) -> u32 {
        self.concurrency.in_flight()
    }

    fn latency(&self, now: Instant) -> Duration {
        self.latency.latency(now)
    }
}

impl HealthTarget for Backend {
    fn check_config(&self) -> Option<Arc<CheckConfig>> {
        self.settings.health_check.clone()
    }

    fn addresses(&self) -> Addresses {
        self.addresses.lookup_order()
    }

    fn host_header(&self) -> String {
        self.name()
    }

    fn on_check_result(&self, outcome: Result<(), String>, transition: Option<HealthTransition>, now: Instant) {
        match (transition, &outcome) {
            (Some(HealthTransition::Up), _) => tracing::info!("backend {} is up: health checks pass", self.name()),
            (Some(HealthTransition::Down), Err(reason)) => {
                tracing::warn!("backend {} is down: health checks fail: {reason}", self.name());
            }
            _ => {}
        }
        self.record_check(outcome.is_ok(), transition, now);
    }
}

impl DnsTarget for Backend {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn address_set(&self) -> &AddressSet {
        &self.addresses
    }
}
