//! A backend that accepts requests and then fails them, found by the requests themselves.
//!
//! When you need it: a check asks `/health`, and `/health` may be fine while everything else answers 500. Five
//! failures in a row (5xx from the backend, resets, timeouts) put the backend out for 30 s; each time again for 30 s
//! longer, up to 300 s. What it costs: a request that succeeds reads one line that is hardly ever written. Envoy's
//! outlier detection (`consecutive_5xx`, `base_ejection_time`, `max_ejection_time`) with its defaults; HAProxy:
//! `observe layer7`, nginx: `max_fails`. That not too many go is [`panic`](crate::health::panic_threshold)'s to see to.

use std::{
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::{Duration, Instant},
};

use crate::health::epoch::{Epoch, millis};

/// When to eject, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutlierConfig {
    /// Failures in a row that are too many; 0 for never.
    pub consecutive_failures: u32,
    /// How long the first time, and how much longer each further time.
    pub base_ejection_time: Duration,
    /// Never longer than this.
    pub max_ejection_time: Duration,
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_mins(5),
        }
    }
}

/// What live responses say of one backend.
#[derive(Debug)]
pub struct OutlierDetector {
    config: OutlierConfig,
    epoch: Epoch,
    consecutive_failures: AtomicU32,
    /// When it is let back in; 0 if it was never out. Stays after that time, to tell how long it has behaved.
    ejected_until: AtomicU64,
    /// How often it was put out, less the times it has made good. At least 1 after an ejection.
    ejection_multiplier: AtomicU32,
}

impl OutlierDetector {
    /// A backend with a clean record. `epoch` is any instant before the first that will be asked about.
    pub fn new(config: OutlierConfig, epoch: Instant) -> Self {
        Self {
            config,
            epoch: Epoch::new(epoch),
            consecutive_failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejection_multiplier: AtomicU32::new(0),
        }
    }

    // ANCHOR: record
    /// Notes how a request ended, and says for how long the backend is ejected, if this one was too many.
    ///
    /// What ends while it is out counts for nothing: those requests began before.
    pub fn record(&self, failed: bool, now: Instant) -> Option<Duration> {
        if !failed {
            // A load first: on the steady path nothing is written, so the line stays shared between cores.
            if self.consecutive_failures.load(Relaxed) != 0 {
                self.consecutive_failures.store(0, Relaxed);
            }
            return None;
        }
        if self.config.consecutive_failures == 0 || self.is_ejected(now) {
            return None;
        }
        // Of threads that fail together, one sees the last number.
        let before = self.consecutive_failures.fetch_add(1, Acquire);
        (before + 1 == self.config.consecutive_failures).then(|| self.eject(now))
    }
    // ANCHOR_END: record

    fn eject(&self, now: Instant) -> Duration {
        let multiplier =
            self.ejection_multiplier.load(Relaxed).saturating_sub(self.multiplier_decay(now)).saturating_add(1);
        let duration = self.config.base_ejection_time.saturating_mul(multiplier).min(self.config.max_ejection_time);
        // Beyond the cap it would only take longer to be forgiven.
        let most = millis(self.config.max_ejection_time).div_ceil(millis(self.config.base_ejection_time).max(1));
        self.ejection_multiplier.store(multiplier.min(u32::try_from(most).unwrap_or(u32::MAX).max(1)), Relaxed);
        // This before the count: who finds the count at 0 shall find it ejected.
        self.ejected_until.store(self.epoch.millis(now + duration), Relaxed);
        self.consecutive_failures.store(0, Release);
        duration
    }

    /// One time is forgiven for each `base` since it was last let in. Reckoned when it matters, so nobody has to
    /// sweep.
    fn multiplier_decay(&self, now: Instant) -> u32 {
        let behaved = self.epoch.millis(now).saturating_sub(self.ejected_until.load(Relaxed));
        u32::try_from(behaved / millis(self.config.base_ejection_time).max(1)).unwrap_or(u32::MAX)
    }

    /// Until when it is, or was last, ejected.
    pub fn ejected_until(&self) -> Option<Instant> {
        self.epoch.instant(self.ejected_until.load(Relaxed))
    }

    /// Whether it is out now.
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

    /// Five failures at `now`; the seconds it is ejected for.
    fn fail(outlier: &OutlierDetector, now: Instant) -> u64 {
        let before: Vec<_> = (0..4).filter_map(|_| outlier.record(true, now)).collect();
        assert_eq!(before, []);
        outlier.record(true, now).expect("five in a row").as_secs()
    }

    #[test]
    fn five_in_a_row_eject_and_four_do_not() {
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
    fn what_ends_while_it_is_out_counts_for_nothing() {
        let (outlier, start) = outlier();
        fail(&outlier, start);
        assert!((0..100).all(|_| outlier.record(true, start).is_none()));
        let back = start + Duration::from_secs(31);
        assert!((0..4).all(|_| outlier.record(true, back).is_none()), "the count begins again");
    }

    #[test]
    fn each_time_is_longer_up_to_a_cap_and_good_behaviour_is_forgiven() {
        let (outlier, start) = outlier();
        let mut now = start;
        for expected in [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300] {
            assert_eq!(fail(&outlier, now), expected);
            now = outlier.ejected_until().unwrap();
        }
        now += Duration::from_secs(95); // three times are forgiven, of ten
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
    fn threads_that_fail_together_eject_once() {
        let (outlier, start) = outlier();
        let fail = || (0..1_000).filter(|_| outlier.record(true, start).is_some()).count();
        let ejections = std::thread::scope(|scope| {
            let other = scope.spawn(fail);
            fail() + other.join().unwrap()
        });
        assert_eq!(ejections, 1);
    }
}
