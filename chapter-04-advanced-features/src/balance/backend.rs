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
use load_balancer::{address_set::Addresses, dns_refresher::Named};
use simple_proxy::stats::BackendTotals;

use super::{
    change_notifier::Bulletin,
    policy::{Candidate, PeakEwma, hash},
};
use crate::{
    health::{
        active::{state::Change, target::Checked},
        passive::{
            connect_breaker::{Status, Trial},
            outlier::{self, Outlier},
        },
        slow_start::SlowStart,
    },
    limit::concurrency::Slots,
    routing::StickyValue,
};

/// What all backends of a group have in common.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Requests at once to each of them; none for no limit.
    pub max_connections: Option<u32>,
    /// For how long one is left out after a failed connect.
    pub down_time: Duration,
    /// When one is ejected.
    pub outlier: outlier::Limits,
    /// How long one takes to its full share after it came back.
    pub slow_start: Duration,
}

/// What is to be thought of a backend. The first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A live connect failed a moment ago.
    Refused {
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
    OnTrial,
    /// It may be picked.
    Up,
}

impl State {
    /// As the table shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused { .. } | Self::Down => "DOWN",
            Self::Ejected { .. } => "EJECTED",
            Self::Draining => "DRAIN",
            Self::OnTrial => "HALF-OPEN",
            Self::Up => "UP",
        }
    }
}

/// A backend is what was configured, not an address: a name may stand for many, and they change.
#[derive(Debug)]
pub struct Backend {
    id: BackendId,
    endpoint: Endpoint,
    key: u64,
    addresses: Addresses,
    weight: AtomicU32,
    draining: AtomicBool,
    checked_down: AtomicBool,
    /// What live connects say.
    pub(crate) trial: Trial,
    outlier: Outlier,
    /// How much of its share it takes after it came back.
    pub(crate) slow_start: SlowStart,
    latency: PeakEwma,
    /// Requests in flight.
    pub slots: Slots,
    /// What it did.
    pub totals: BackendTotals,
    settings: Settings,
    /// What stands in the cookie of a client that sticks to it.
    sticky: Option<StickyValue>,
    bulletin: Arc<Bulletin>,
}

impl Backend {
    /// A backend that is up. `now` is the epoch of its marks.
    pub fn new(
        id: BackendId,
        endpoint: Endpoint,
        addresses: Vec<SocketAddr>,
        settings: Settings,
        sticky: Option<StickyValue>,
        bulletin: Arc<Bulletin>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            sticky,
            bulletin,
            // Without its weight: a new weight makes no other backend.
            key: hash::hash(endpoint.to_string().as_bytes()),
            addresses: Addresses::new(addresses),
            weight: AtomicU32::new(endpoint.weight.unwrap_or(1)),
            endpoint,
            draining: AtomicBool::new(false),
            checked_down: AtomicBool::new(false),
            trial: Trial::new(now),
            outlier: Outlier::new(settings.outlier, now),
            slow_start: SlowStart::new(settings.slow_start, SlowStart::FROM, now),
            latency: PeakEwma::new(now),
            slots: Slots::new(settings.max_connections),
            totals: BackendTotals::default(),
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
    pub fn sticky(&self) -> Option<StickyValue> {
        self.sticky
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
    pub fn state(&self, now: Instant) -> State {
        let connects = self.trial.status(now);
        match connects {
            Status::Down { until } => State::Refused { until },
            _ if self.checked_down.load(Relaxed) => State::Down,
            _ if self.outlier.is_ejected(now) => State::Ejected { until: self.outlier.ejected_until().unwrap_or(now) },
            _ if self.draining.load(Relaxed) => State::Draining,
            Status::OnTrial => State::OnTrial,
            Status::Up => State::Up,
        }
    }
    // ANCHOR_END: state

    /// A live connect has failed: it is left out for a while. Gives whether that is news.
    pub fn connect_failed(&self, now: Instant) -> bool {
        self.totals.failed();
        self.latency.failed(now);
        let is_news = self.trial.mark_down(now, self.settings.down_time);
        self.bulletin.changed();
        is_news
    }

    /// A live connect has succeeded. Gives whether that is news.
    pub fn connected(&self, now: Instant) -> bool {
        let is_news = self.trial.mark_up();
        if is_news {
            self.came_back(now);
        }
        is_news
    }

    /// A check has ended. One that succeeds also mends what a failed connect has marked: it has connected.
    pub fn check_ended(&self, succeeded: bool, change: Option<Change>, now: Instant) {
        let mended = succeeded && self.trial.mark_up();
        match change {
            Some(Change::Down) => {
                self.checked_down.store(true, Relaxed);
                self.bulletin.changed();
            }
            Some(Change::Up) => {
                self.checked_down.store(false, Relaxed);
                self.came_back(now);
            }
            None if mended => self.came_back(now),
            None => {}
        }
    }

    fn came_back(&self, now: Instant) {
        self.slow_start.began(now);
        self.bulletin.changed();
    }

    /// Notes how an attempt ended that was sent to it. Gives for how long it is ejected, if that was one failure too
    /// many.
    pub fn record(&self, end: AttemptEnd, now: Instant) -> Option<Duration> {
        let failed = match end {
            AttemptEnd::Answered { status, latency } if !is_failure(status) => {
                self.latency.record(latency, now);
                false
            }
            AttemptEnd::Answered { .. } => true,
            AttemptEnd::BrokeOff => {
                self.totals.failed();
                true
            }
            AttemptEnd::Unjudged => return None,
        };
        if failed {
            self.latency.failed(now);
        }
        let ejected = self.outlier.record(failed, now);
        if ejected.is_some() {
            self.bulletin.changed();
        }
        ejected
    }

    /// Stops new clients, or lets them come again.
    pub fn drain(&self, draining: bool) {
        self.draining.store(draining, Relaxed);
        self.bulletin.changed();
    }

    /// Whether an operator has stopped new clients.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Gives it another weight.
    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Relaxed);
        self.bulletin.changed();
    }
}

/// How an attempt ended, as far as it tells of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// With a response.
    Answered {
        /// Its status.
        status: u16,
        /// From the request to its first byte.
        latency: Duration,
    },
    /// The backend broke off, or kept silent for too long.
    BrokeOff,
    /// The client left, or we gave up: no fault of the backend's.
    Unjudged,
}

/// Whether a backend that answers with this status did not do its part.
pub fn is_failure(status: u16) -> bool {
    (500..=599).contains(&status)
}

impl Candidate for Backend {
    fn key(&self) -> u64 {
        self.key
    }

    fn weight(&self) -> u32 {
        self.weight()
    }

    fn in_flight(&self) -> u32 {
        self.slots.taken()
    }

    fn latency(&self, now: Instant) -> Duration {
        self.latency.latency(now)
    }
}

impl Checked for Backend {
    fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.rotated().collect()
    }

    fn host(&self) -> String {
        self.name()
    }

    fn checked(&self, outcome: Result<(), String>, change: Option<Change>, now: Instant) {
        match (change, &outcome) {
            (Some(Change::Up), _) => tracing::info!("backend {} is up: health checks pass", self.name()),
            (Some(Change::Down), Err(why)) => {
                tracing::warn!("backend {} is down: health checks fail: {why}", self.name())
            }
            _ => {}
        }
        self.check_ended(outcome.is_ok(), change, now);
    }
}

impl Named for Backend {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn addresses(&self) -> &Addresses {
        &self.addresses
    }
}
