//! Outlier detection: ejects a backend that accepts requests and then fails them.
//!
//! When you need it: a check requests `/health`, which may respond 200 while everything else responds 503. Five
//! consecutive failures (resets, timeouts, [some statuses](FailureStatuses)) eject the backend for 30 s, each further
//! time for 30 s longer, up to 300 s. What it costs: a successful request reads one cache line that is rarely written.
//! Envoy's outlier detection (`consecutive_gateway_failure`, `base_ejection_time`, `max_ejection_time`) with its
//! defaults; HAProxy: `observe layer7`, nginx: `max_fails`. Against too many ejections there is the
//! [panic threshold](crate::health::panic_threshold).

use std::{
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::{Duration, Instant},
};

use crate::health::{
    epoch::{Epoch, millis},
    failure_statuses::FailureStatuses,
};

/// When to eject, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutlierConfig {
    /// Consecutive failures that eject a backend; 0 disables ejection.
    pub consecutive_failures: u32,
    /// The length of the first ejection, and how much longer each further one is.
    pub base_ejection_time: Duration,
    /// The maximum length of an ejection.
    pub max_ejection_time: Duration,
    /// The statuses of a response that count as failures.
    pub failure_statuses: FailureStatuses,
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_mins(5),
            failure_statuses: FailureStatuses::default(),
        }
    }
}

/// The outlier detector of one backend.
#[derive(Debug)]
pub struct OutlierDetector {
    config: OutlierConfig,
    epoch: Epoch,
    consecutive_failures: AtomicU32,
    /// When the last ejection ends; 0 if there was none. Kept after that time, to compute how long it has been back.
    ejected_until: AtomicU64,
    /// The number of ejections, minus those forgiven since. At least 1 after an ejection.
    ejection_multiplier: AtomicU32,
}

impl OutlierDetector {
    /// A backend without failures. `epoch` is any instant before the first `now`.
    pub fn new(config: OutlierConfig, epoch: Instant) -> Self {
        Self {
            config,
            epoch: Epoch::new(epoch),
            consecutive_failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejection_multiplier: AtomicU32::new(0),
        }
    }

    /// Whether a response with this status counts as a failure.
    pub fn is_failure(&self, status: u16) -> bool {
        self.config.failure_statuses.contains(status)
    }

    // ANCHOR: record
    /// Records the outcome of a request, and returns for how long the backend is ejected, if this failure ejects it.
    ///
    /// Requests that end during an ejection do not count: they started before it.
    pub fn record(&self, failed: bool, now: Instant) -> Option<Duration> {
        if !failed {
            // A load first: in steady state nothing is written, so the cache line stays shared between cores.
            if self.consecutive_failures.load(Relaxed) != 0 {
                self.consecutive_failures.store(0, Relaxed);
            }
            return None;
        }
        if self.config.consecutive_failures == 0 || self.is_ejected(now) {
            return None;
        }
        // Of threads that fail concurrently, exactly one reaches the threshold.
        let previous = self.consecutive_failures.fetch_add(1, Acquire);
        (previous + 1 == self.config.consecutive_failures).then(|| self.eject(now))
    }
    // ANCHOR_END: record

    fn eject(&self, now: Instant) -> Duration {
        let multiplier =
            self.ejection_multiplier.load(Relaxed).saturating_sub(self.multiplier_decay(now)).saturating_add(1);
        let duration = self.config.base_ejection_time.saturating_mul(multiplier).min(self.config.max_ejection_time);
        // Beyond the cap a larger multiplier would only take longer to decay.
        let max_multiplier =
            millis(self.config.max_ejection_time).div_ceil(millis(self.config.base_ejection_time).max(1));
        self.ejection_multiplier
            .store(multiplier.min(u32::try_from(max_multiplier).unwrap_or(u32::MAX).max(1)), Relaxed);
        // Store this before the count: a thread that sees the count at 0 must see the ejection.
        self.ejected_until.store(self.epoch.millis(now + duration), Relaxed);
        self.consecutive_failures.store(0, Release);
        duration
    }

    /// One ejection is forgiven for each `base_ejection_time` since the last one ended. Computed on demand, so no timer
    /// is needed.
    fn multiplier_decay(&self, now: Instant) -> u32 {
        let back_for = self.epoch.millis(now).saturating_sub(self.ejected_until.load(Relaxed));
        u32::try_from(back_for / millis(self.config.base_ejection_time).max(1)).unwrap_or(u32::MAX)
    }

    /// When the current or the last ejection ends.
    pub fn ejected_until(&self) -> Option<Instant> {
        self.epoch.instant(self.ejected_until.load(Relaxed))
    }

    /// Whether it is ejected now.
    pub fn is_ejected(&self, now: Instant) -> bool {
        self.ejected_until().is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    fn outlier() -> (OutlierDetector, Instant) {
        let epoch = now();
        (OutlierDetector::new(OutlierConfig::default(), epoch), epoch)
    }

    /// Records five failures at `now`; returns the seconds of the ejection.
    fn fail(outlier: &OutlierDetector, now: Instant) -> u64 {
        let before: Vec<_> = (0..4).filter_map(|_| outlier.record(true, now)).collect();
        assert_eq!(before, []);
        outlier.record(true, now).expect("five in a row").as_secs()
    }

    #[test]
    fn five_consecutive_failures_eject_and_four_do_not() {
        let (outlier, start) = outlier();
        for _ in 0..100 {
            for failed in [true, true, true, true, false] {
                assert_eq!(outlier.record(failed, start), None);
            }
        }
        assert_eq!(fail(&outlier, start), 30);
        let end = start + Duration::from_secs(30);
        assert_eq!(outlier.ejected_until(), Some(end));
        assert!(outlier.is_ejected(start + Duration::from_millis(29_999)));
        assert!(!outlier.is_ejected(end), "its time is over");
    }

    #[test]
    fn requests_that_end_during_an_ejection_do_not_count() {
        let (outlier, start) = outlier();
        fail(&outlier, start);
        assert!((0..100).all(|_| outlier.record(true, start).is_none()));
        let back = start + Duration::from_secs(31);
        assert!((0..4).all(|_| outlier.record(true, back).is_none()), "the count starts again");
    }

    #[test]
    fn each_ejection_is_longer_up_to_a_cap_and_decays() {
        let (outlier, start) = outlier();
        let mut now = start;
        for expected in [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300] {
            assert_eq!(fail(&outlier, now), expected);
            now = outlier.ejected_until().unwrap();
        }
        now += Duration::from_secs(95); // three of ten ejections are forgiven
        assert_eq!(fail(&outlier, now), 240);
        now = outlier.ejected_until().unwrap() + Duration::from_hours(1);
        assert_eq!(fail(&outlier, now), 30, "all is forgiven");
    }

    #[test]
    fn zero_failures_never_eject() {
        let start = now();
        let never = OutlierDetector::new(OutlierConfig { consecutive_failures: 0, ..OutlierConfig::default() }, start);
        assert!((0..100).all(|_| never.record(true, start).is_none()));
    }

    #[test]
    fn concurrent_failures_eject_once() {
        let (outlier, start) = outlier();
        let fail = || (0..1_000).filter(|_| outlier.record(true, start).is_some()).count();
        let ejections = std::thread::scope(|scope| {
            let other = scope.spawn(fail);
            fail() + other.join().unwrap()
        });
        assert_eq!(ejections, 1);
    }
}
