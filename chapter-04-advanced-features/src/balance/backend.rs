//! One configured backend: all that is known of it, and whether it may be picked.
//!
//! Several opinions meet here. The checks say up or down, live connects say refused, live responses say failing, an
//! operator says drain. Each keeps its own mark and mends it in its own time; [`Backend::state`] is where they are
//! weighed. Whoever changes a mark says so to the group ([`Bulletin`]), which then looks at its backends again.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use common::{endpoint::Endpoint, http::BackendId};
use load_balancer::{address_set::AddressSet, dns_refresher::DnsTarget};
use simple_proxy::stats::BackendStats;

use super::{
    change_notifier::ChangeNotifier,
    policy::{Candidate, PeakEwma, hash},
};
use crate::{
    health::{
        active::{state::HealthTransition, target::HealthTarget},
        passive::{
            connect_breaker::{ConnectBreaker, ConnectBreakerState},
            outlier::{self, OutlierDetector},
        },
        slow_start::SlowStart,
    },
    limit::concurrency::ConcurrencyLimit,
    routing::StickyValue,
};

/// What all backends of a group have in common.
#[derive(Debug, Clone, Copy)]
pub struct BackendSettings {
    /// Requests at once to each of them; none for no limit.
    pub max_connections: Option<u32>,
    /// For how long one is left out after a failed connect.
    pub down_time: Duration,
    /// When one is ejected.
    pub outlier: outlier::OutlierConfig,
    /// How long one takes to its full share after it came back.
    pub slow_start: Duration,
}

/// What is to be thought of a backend. The first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendState {
    /// A live connect failed a moment ago.
    ConnectFailed {
        /// When a request may try again.
        until: Instant,
    },
    /// The checks have failed.
    Down,
    /// Its responses were failures, one after another.
    Ejected {
        /// When it is let back in.
        until: Instant,
    },
    /// An operator wants it empty: it gets no new clients.
    Draining,
    /// A request at a time may find out whether it is back.
    HalfOpen,
    /// It may be picked.
    Up,
}

impl BackendState {
    /// As the table shows it.
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

/// A backend is what was configured, not an address: a name may stand for many, and they change.
#[derive(Debug)]
pub struct Backend {
    id: BackendId,
    endpoint: Endpoint,
    name_hash: u64,
    addresses: AddressSet,
    weight: AtomicU32,
    draining: AtomicBool,
    checks_down: AtomicBool,
    /// What live connects say.
    pub(crate) connect_breaker: ConnectBreaker,
    outlier: OutlierDetector,
    /// How much of its share it takes after it came back.
    pub(crate) slow_start: SlowStart,
    latency: PeakEwma,
    /// Requests in flight.
    pub concurrency: ConcurrencyLimit,
    /// What it did.
    pub totals: BackendStats,
    settings: BackendSettings,
    /// What stands in the cookie of a client that sticks to it.
    sticky_value: Option<StickyValue>,
    change_notifier: Arc<ChangeNotifier>,
}

impl Backend {
    /// A backend that is up. `now` is the epoch of its marks.
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
            // Without its weight: a new weight makes no other backend.
            name_hash: hash::hash(endpoint.to_string().as_bytes()),
            addresses: AddressSet::new(addresses),
            weight: AtomicU32::new(endpoint.weight.unwrap_or(1)),
            endpoint,
            draining: AtomicBool::new(false),
            checks_down: AtomicBool::new(false),
            connect_breaker: ConnectBreaker::new(now),
            outlier: OutlierDetector::new(settings.outlier, now),
            slow_start: SlowStart::new(settings.slow_start, SlowStart::DEFAULT_MIN_FACTOR, now),
            latency: PeakEwma::new(now),
            concurrency: ConcurrencyLimit::new(settings.max_connections),
            totals: BackendStats::default(),
            settings,
        }
    }

    /// Which one it is.
    pub fn id(&self) -> BackendId {
        self.id
    }

    /// Its name, as configured and without its weight.
    pub fn name(&self) -> String {
        self.endpoint.to_string()
    }

    /// What stands in the cookie of a client that sticks to it, where its group has such cookies.
    pub fn sticky_value(&self) -> Option<StickyValue> {
        self.sticky_value
    }

    /// Its addresses, in the order in which to try them now.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        self.addresses.rotated()
    }

    /// Its weight now; an operator may have changed it. 0: only for those who stick to it.
    pub fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    /// What is to be thought of it.
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

    /// A live connect has failed: it is left out for a while. Gives whether that is news.
    pub fn record_connect_failure(&self, now: Instant) -> bool {
        self.totals.count_failure();
        self.latency.record_failure(now);
        let changed = self.connect_breaker.record_failure(now, self.settings.down_time);
        self.change_notifier.notify();
        changed
    }

    /// A live connect has succeeded. Gives whether that is news.
    pub fn record_connect_success(&self, now: Instant) -> bool {
        let changed = self.connect_breaker.record_success();
        if changed {
            self.on_recovery(now);
        }
        changed
    }

    /// A check has ended. One that succeeds also mends what a failed connect has marked: it has connected.
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

    /// Notes how an attempt ended that was sent to it. Gives for how long it is ejected, if that was one failure too
    /// many.
    pub fn record_attempt(&self, end: AttemptOutcome, now: Instant) -> Option<Duration> {
        let failed = match end {
            AttemptOutcome::Response { status, latency } if !is_server_error(status) => {
                self.latency.record(latency, now);
                false
            }
            AttemptOutcome::Response { .. } => true,
            AttemptOutcome::BackendFailure => {
                self.totals.count_failure();
                true
            }
            AttemptOutcome::Inconclusive => return None,
        };
        if failed {
            self.latency.record_failure(now);
        }
        let ejected = self.outlier.record(failed, now);
        if ejected.is_some() {
            self.change_notifier.notify();
        }
        ejected
    }

    /// Stops new clients, or lets them come again.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Relaxed);
        self.change_notifier.notify();
    }

    /// Whether an operator has stopped new clients.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Gives it another weight.
    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Relaxed);
        self.change_notifier.notify();
    }
}

/// How an attempt ended, as far as it tells of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// With a response.
    Response {
        /// Its status.
        status: u16,
        /// From the request to its first byte.
        latency: Duration,
    },
    /// The backend broke off, or kept silent for too long.
    BackendFailure,
    /// The client left, or we gave up: no fault of the backend's.
    Inconclusive,
}

/// Whether a backend that answers with this status did not do its part.
pub fn is_server_error(status: u16) -> bool {
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
    fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.rotated().collect()
    }

    fn host_header(&self) -> String {
        self.name()
    }

    fn on_check_result(&self, outcome: Result<(), String>, transition: Option<HealthTransition>, now: Instant) {
        match (transition, &outcome) {
            (Some(HealthTransition::Up), _) => tracing::info!("backend {} is up: health checks pass", self.name()),
            (Some(HealthTransition::Down), Err(reason)) => {
                tracing::warn!("backend {} is down: health checks fail: {reason}", self.name())
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
