//! A circuit breaker for a whole group.
//!
//! When you need it: when all backends of a group fail (a database behind them, a bad release), each further request
//! costs a connection, a wait and a retry, and keeps the backends from recovering. At 50 % failures of at least 20
//! requests within 10 s the breaker opens: for 10 s every request gets 503 at once, then one half-open probe is
//! admitted, and its outcome decides. What it costs: a load to admit a request, one atomic addition to record it.
//!
//! The pattern is Nygard's (*Release It!*, 2007), the window that of Hystrix; Traefik's `circuitBreaker` is one too.
//! What Envoy calls circuit breaking is a limit ([`concurrency`](crate::limit::concurrency)).

use std::{
    fmt,
    sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    time::{Duration, Instant},
};

use super::{
    epoch::Epoch,
    failure_statuses::FailureStatuses,
    half_open::{HalfOpenPermit, HalfOpenSemaphore},
    rolling_window::RollingWindow,
};

/// `Retry-After` while a half-open probe is in flight: its duration is unknown.
const HALF_OPEN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// When to open, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// The failure percentage that opens the breaker.
    pub failure_percent: u32,
    /// With fewer requests in the window the breaker stays closed; 0 disables it.
    pub min_requests: u32,
    /// The length of the rolling window.
    pub window: Duration,
    /// How long the breaker stays open before a probe.
    pub open_duration: Duration,
    /// The statuses of a response that count as failures.
    pub failure_statuses: FailureStatuses,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failure_percent: 50,
            min_requests: 20,
            window: Duration::from_secs(10),
            open_duration: Duration::from_secs(10),
            failure_statuses: FailureStatuses::default(),
        }
    }
}

/// The breaker of one group.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    epoch: Epoch,
    /// When a probe is admitted; 0 while closed.
    open_until: AtomicU64,
    half_open: HalfOpenSemaphore,
    rolling_window: RollingWindow,
}

/// Whether a request is admitted.
#[derive(Debug)]
#[must_use = "a rejected request must not go on, and a probe must be recorded"]
pub enum Admission {
    /// Admitted: the breaker is closed.
    Closed,
    /// Admitted as the half-open probe. Pass the permit to [`Breaker::record`].
    HalfOpen(BreakerPermit),
    /// Rejected with 503: the breaker is open.
    Rejected {
        /// The value of the `Retry-After` header.
        retry_after: Duration,
    },
}

/// The permit of the half-open probe. Dropped without a record (the client disconnected, a panic), the next request
/// becomes the probe.
#[derive(Debug)]
pub struct BreakerPermit(HalfOpenPermit);

/// A state change that a record caused. `Display` says it for a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerTransition {
    /// Too many requests failed: the breaker is open until the next probe.
    Opened {
        /// Failures in the window.
        failures: u64,
        /// Requests in the window.
        total: u64,
        /// How long every request is rejected.
        next_probe_in: Duration,
    },
    /// The half-open probe failed: the breaker stays open until the next one.
    Reopened {
        /// How long every request is rejected.
        next_probe_in: Duration,
    },
    /// The half-open probe succeeded: every request is admitted.
    Closed,
}

impl fmt::Display for BreakerTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { failures, total, next_probe_in } => write!(
                f,
                "circuit breaker open ({failures} of {total} requests failed), next probe in {} s",
                next_probe_in.as_secs_f64()
            ),
            Self::Reopened { next_probe_in } => write!(
                f,
                "circuit breaker stays open (the half-open probe failed), next probe in {} s",
                next_probe_in.as_secs_f64()
            ),
            Self::Closed => f.write_str("circuit breaker closed (the half-open probe succeeded)"),
        }
    }
}

impl Breaker {
    /// A closed breaker. `epoch` is any instant before the first `now`.
    pub fn new(config: BreakerConfig, epoch: Instant) -> Self {
        Self {
            config,
            epoch: Epoch::new(epoch),
            open_until: AtomicU64::new(0),
            half_open: HalfOpenSemaphore::default(),
            rolling_window: RollingWindow::new(config.window),
        }
    }

    // ANCHOR: admit
    /// Admits a request, or rejects it while the breaker is open.
    pub fn admit(&self, now: Instant) -> Admission {
        let Some(remaining) = self.open_remaining(now) else { return Admission::Closed };
        if !remaining.is_zero() {
            return Admission::Rejected { retry_after: remaining };
        }
        let Some(permit) = self.half_open.try_acquire() else {
            return Admission::Rejected { retry_after: HALF_OPEN_RETRY_AFTER };
        };
        // Check again: another probe may have ended between the load and the permit.
        match self.open_remaining(now) {
            None => Admission::Closed,
            Some(remaining) if remaining.is_zero() => Admission::HalfOpen(BreakerPermit(permit)),
            Some(retry_after) => Admission::Rejected { retry_after },
        }
    }
    // ANCHOR_END: admit

    /// How long the breaker stays open; zero if a probe is due, `None` while closed.
    fn open_remaining(&self, now: Instant) -> Option<Duration> {
        self.epoch.instant(self.open_until.load(Acquire)).map(|until| until.saturating_duration_since(now))
    }

    /// Whether a response with this status counts as a failure.
    pub fn is_failure(&self, status: u16) -> bool {
        self.config.failure_statuses.contains(status)
    }

    /// Whether the breaker is open or half-open.
    pub fn is_open(&self) -> bool {
        self.open_until.load(Acquire) != 0
    }

    /// Records the outcome of an admitted request, with its permit if it was the probe.
    pub fn record(&self, probe: Option<BreakerPermit>, failed: bool, now: Instant) -> Option<BreakerTransition> {
        let next_probe_in = self.config.open_duration;
        let until = || self.epoch.millis(now + next_probe_in);
        if let Some(BreakerPermit(permit)) = probe {
            // Clear the window of earlier failures. Release: a thread that sees the breaker closed sees it cleared.
            self.rolling_window.clear();
            self.open_until.store(if failed { until() } else { 0 }, Release);
            drop(permit); // only after the new state is stored
            return Some(if failed {
                BreakerTransition::Reopened { next_probe_in }
            } else {
                BreakerTransition::Closed
            });
        }
        // A request that was admitted before the breaker opened says nothing about now.
        if self.is_open() {
            return None;
        }
        let at = self.epoch.millis(now);
        self.rolling_window.record(failed, at);
        // Only a failure can open the breaker, so only a failure sums the window.
        if !failed {
            return None;
        }
        let (failures, total) = self.rolling_window.totals(at);
        if !self.is_over_threshold(failures, total) {
            return None;
        }
        let opened = self.open_until.compare_exchange(0, until(), AcqRel, Relaxed);
        opened.is_ok().then_some(BreakerTransition::Opened { failures, total, next_probe_in })
    }

    fn is_over_threshold(&self, failures: u64, total: u64) -> bool {
        let enough = self.config.min_requests > 0 && total >= u64::from(self.config.min_requests);
        enough && failures * 100 >= total * u64::from(self.config.failure_percent)
    }
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    fn breaker() -> (Breaker, Instant) {
        let epoch = now();
        (Breaker::new(BreakerConfig::default(), epoch), epoch)
    }

    /// Records successes and then failures; returns the transition of the last one.
    fn run(breaker: &Breaker, successes: u32, failures: u32, now: Instant) -> Option<BreakerTransition> {
        let outcomes = (0..successes).map(|_| false).chain((0..failures).map(|_| true));
        outcomes.fold(None, |_, failed| breaker.record(None, failed, now))
    }

    fn rejected_for(breaker: &Breaker, now: Instant) -> Option<Duration> {
        match breaker.admit(now) {
            Admission::Rejected { retry_after } => Some(retry_after),
            Admission::Closed | Admission::HalfOpen(_) => None,
        }
    }

    fn probe(breaker: &Breaker, now: Instant) -> BreakerPermit {
        match breaker.admit(now) {
            Admission::HalfOpen(probe) => probe,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn opens_at_the_failure_threshold_of_enough_requests() {
        for (successes, failures, opens) in
            [(0, 19, false), (0, 20, true), (10, 10, true), (11, 9, false), (51, 49, false), (50, 50, true)]
        {
            let (breaker, start) = breaker();
            let transition = run(&breaker, successes, failures, start);
            assert_eq!(transition.is_some(), opens, "{failures} failures after {successes} successes");
            assert_eq!(breaker.is_open(), opens);
        }
    }

    #[test]
    fn forgets_requests_older_than_the_window() {
        let (breaker, start) = breaker();
        run(&breaker, 0, 19, start);
        assert_eq!(run(&breaker, 0, 19, start + Duration::from_secs(10)), None);
        assert_eq!(
            run(&breaker, 0, 1, start + Duration::from_secs(11)),
            Some(BreakerTransition::Opened { failures: 20, total: 20, next_probe_in: Duration::from_secs(10) }),
            "the 20th within 10 s"
        );
    }

    #[test]
    fn the_half_open_probe_decides() {
        let (breaker, start) = breaker();
        run(&breaker, 0, 20, start);
        assert_eq!(rejected_for(&breaker, start + Duration::from_secs(3)), Some(Duration::from_secs(7)));
        assert_eq!(breaker.record(None, false, start), None, "a request from before it opened does not close it");

        let half_open = start + Duration::from_secs(10);
        let first = probe(&breaker, half_open);
        assert_eq!(rejected_for(&breaker, half_open), Some(HALF_OPEN_RETRY_AFTER), "one at a time");
        assert_eq!(
            breaker.record(Some(first), true, half_open),
            Some(BreakerTransition::Reopened { next_probe_in: Duration::from_secs(10) })
        );
        assert_eq!(rejected_for(&breaker, half_open), Some(Duration::from_secs(10)));

        let half_open = half_open + Duration::from_secs(10);
        drop(probe(&breaker, half_open)); // its client disconnected
        let second = probe(&breaker, half_open);
        assert_eq!(breaker.record(Some(second), false, half_open), Some(BreakerTransition::Closed));
        assert!(matches!(breaker.admit(half_open), Admission::Closed));
        assert_eq!(run(&breaker, 0, 19, half_open), None, "it closes with an empty window");
    }

    #[test]
    fn concurrent_failures_open_it_once_and_one_request_probes() {
        let (breaker, start) = breaker();
        let half_open = start + Duration::from_secs(10);
        let work = || {
            let opened = (0..1_000).filter(|_| breaker.record(None, true, start).is_some()).count();
            let probes: Vec<_> = (0..1_000).map(|_| breaker.admit(half_open)).collect();
            (opened, probes)
        };
        let ((one, first), (other, second)) = std::thread::scope(|scope| {
            let other = scope.spawn(work);
            (work(), other.join().unwrap())
        });
        assert_eq!(one + other, 1);
        let probes =
            first.iter().chain(&second).filter(|admission| matches!(admission, Admission::HalfOpen(_))).count();
        assert_eq!(probes, 1, "the probe is still held");
    }
}
