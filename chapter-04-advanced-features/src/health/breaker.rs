//! A group that fails is left alone for a while.
//!
//! When you need it: when all backends of a group fail (a database behind them, a bad release), each further request
//! costs a connection, a wait and a retry, and keeps the backends from recovering. At 50 % failures of at least 20
//! requests within 10 s the breaker opens: for 10 s the answer is 503 at once, then one request is let through, and
//! what becomes of it decides. What it costs: a relaxed load on the way in, one atomic addition on the way out.
//!
//! The pattern is Nygard's (*Release It!*, 2007), the window that of Hystrix; Traefik's `circuitBreaker` is one too.
//! What Envoy calls circuit breaking is a limit ([`slots`](crate::limit::concurrency)).

use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    time::{Duration, Instant},
};

use super::{
    epoch::Epoch,
    half_open::{HalfOpenPermit, HalfOpenSemaphore},
    rolling_window::RollingWindow,
};

/// What a client is told to wait while a probe is under way: nobody knows how long that takes.
const HALF_OPEN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// When to open, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a hundred requests that are too many.
    pub failure_percent: u32,
    /// With fewer requests in the window there is no judgement; 0 for never.
    pub min_requests: u32,
    /// How far back requests count.
    pub window: Duration,
    /// For how long everything is refused.
    pub open_duration: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failure_percent: 50,
            min_requests: 20,
            window: Duration::from_secs(10),
            open_duration: Duration::from_secs(10),
        }
    }
}

/// The breaker of one group.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    epoch: Epoch,
    /// When a probe may pass; 0 while closed.
    open_until: AtomicU64,
    half_open: HalfOpenSemaphore,
    rolling_window: RollingWindow,
}

/// What a request may do.
#[derive(Debug)]
#[must_use = "what is refused must not go on, and a probe must be recorded"]
pub enum Admission {
    /// Go on: all is well.
    Closed,
    /// Go on: this one request finds out whether all is well again. Pass the probe to [`Breaker::record`].
    HalfOpen(BreakerPermit),
    /// 503, at once.
    Rejected {
        /// For the `Retry-After` field.
        retry_after: Duration,
    },
}

/// The one request that is let through. Dropped without a record (the client left, a panic), the next one is.
#[derive(Debug)]
pub struct BreakerPermit(HalfOpenPermit);

/// What a record changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerTransition {
    /// Too much failed, or the probe did: all is refused.
    Opened,
    /// The probe succeeded: all go on.
    Closed,
}

impl Breaker {
    /// A closed breaker. `epoch` is any instant before the first that will be asked about.
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
    /// Whether a request may go on.
    pub fn admit(&self, now: Instant) -> Admission {
        let Some(opens) = self.open_remaining(now) else { return Admission::Closed };
        if !opens.is_zero() {
            return Admission::Rejected { retry_after: opens };
        }
        let Some(pass) = self.half_open.try_acquire() else {
            return Admission::Rejected { retry_after: HALF_OPEN_RETRY_AFTER };
        };
        // Again: between the look and the gate another probe may have come to its end.
        match self.open_remaining(now) {
            None => Admission::Closed,
            Some(opens) if opens.is_zero() => Admission::HalfOpen(BreakerPermit(pass)),
            Some(retry_after) => Admission::Rejected { retry_after },
        }
    }
    // ANCHOR_END: admit

    /// How long it still refuses everything; `None` while closed.
    fn open_remaining(&self, now: Instant) -> Option<Duration> {
        self.epoch.instant(self.open_until.load(Acquire)).map(|until| until.saturating_duration_since(now))
    }

    /// Whether requests are refused (or one of them probes).
    pub fn is_open(&self) -> bool {
        self.open_until.load(Acquire) != 0
    }

    /// Notes how a request ended that was admitted, with the probe if it was one.
    pub fn record(&self, probe: Option<BreakerPermit>, failed: bool, now: Instant) -> Option<BreakerTransition> {
        let until = self.epoch.millis(now + self.config.open_duration);
        if let Some(BreakerPermit(pass)) = probe {
            // The window forgets what was before the trouble; release, so that who sees it closed sees that too.
            self.rolling_window.clear();
            self.open_until.store(if failed { until } else { 0 }, Release);
            drop(pass); // not before it is decided
            return Some(if failed { BreakerTransition::Opened } else { BreakerTransition::Closed });
        }
        // A straggler of the time before it opened says nothing about now.
        if self.is_open() {
            return None;
        }
        let at = self.epoch.millis(now);
        self.rolling_window.record(failed, at);
        // Only a failure can make it open, so only a failure pays for the sum.
        if !failed || !self.is_over_threshold(at) {
            return None;
        }
        let opened = self.open_until.compare_exchange(0, until, AcqRel, Relaxed);
        opened.is_ok().then_some(BreakerTransition::Opened)
    }

    fn is_over_threshold(&self, at: u64) -> bool {
        let (failed, total) = self.rolling_window.totals(at);
        let enough = self.config.min_requests > 0 && total >= u64::from(self.config.min_requests);
        enough && failed * 100 >= total * u64::from(self.config.failure_percent)
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

    /// Records so many successes and then so many failures; what the last of them changed.
    fn run(breaker: &Breaker, successes: u32, failures: u32, now: Instant) -> Option<BreakerTransition> {
        let outcomes = (0..successes).map(|_| false).chain((0..failures).map(|_| true));
        outcomes.fold(None, |_, failed| breaker.record(None, failed, now))
    }

    fn refused_for(breaker: &Breaker, now: Instant) -> Option<Duration> {
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
    fn opens_at_half_of_enough() {
        for (successes, failures, opens) in
            [(0, 19, false), (0, 20, true), (10, 10, true), (11, 9, false), (51, 49, false), (50, 50, true)]
        {
            let (breaker, start) = breaker();
            let change = run(&breaker, successes, failures, start);
            assert_eq!(change.is_some(), opens, "{failures} failures after {successes} successes");
            assert_eq!(breaker.is_open(), opens);
        }
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let (breaker, start) = breaker();
        run(&breaker, 0, 19, start);
        assert_eq!(run(&breaker, 0, 19, start + Duration::from_secs(10)), None);
        assert_eq!(
            run(&breaker, 0, 1, start + Duration::from_secs(11)),
            Some(BreakerTransition::Opened),
            "the 20th within 10 s"
        );
    }

    #[test]
    fn one_probe_decides() {
        let (breaker, start) = breaker();
        run(&breaker, 0, 20, start);
        assert_eq!(refused_for(&breaker, start + Duration::from_secs(3)), Some(Duration::from_secs(7)));
        assert_eq!(breaker.record(None, false, start), None, "a straggler closes nothing");

        let half_open = start + Duration::from_secs(10);
        let first = probe(&breaker, half_open);
        assert_eq!(refused_for(&breaker, half_open), Some(HALF_OPEN_RETRY_AFTER), "one at a time");
        assert_eq!(breaker.record(Some(first), true, half_open), Some(BreakerTransition::Opened));
        assert_eq!(refused_for(&breaker, half_open), Some(Duration::from_secs(10)));

        let half_open = half_open + Duration::from_secs(10);
        drop(probe(&breaker, half_open)); // its client left
        let second = probe(&breaker, half_open);
        assert_eq!(breaker.record(Some(second), false, half_open), Some(BreakerTransition::Closed));
        assert!(matches!(breaker.admit(half_open), Admission::Closed));
        assert_eq!(run(&breaker, 0, 19, half_open), None, "it begins with an empty window");
    }

    #[test]
    fn threads_that_fail_together_open_it_once_and_one_of_them_probes() {
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
