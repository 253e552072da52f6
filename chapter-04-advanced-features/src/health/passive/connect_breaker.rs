//! A breaker for connects: a backend that refused a connect is marked down for a while, then probed by one request.
//!
//! When you need it: always. The first request that fails to connect detects a killed process; the checks need three
//! failures. What it costs: one relaxed load of a cache line that is rarely written. The invariant: once the time is
//! over, one request at a time probes the backend; the others avoid it until that one has connected. nginx does the
//! same with `fail_timeout`; the half-open state is the circuit breaker's (Nygard, *Release It!*, 2007).

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::health::{
    epoch::Epoch,
    half_open::{HalfOpenPermit, HalfOpenSemaphore},
};

/// The connect breaker of one backend.
#[derive(Debug)]
pub struct ConnectBreaker {
    epoch: Epoch,
    /// When it becomes half-open; 0 while closed.
    open_until: AtomicU64,
    half_open: HalfOpenSemaphore,
}

/// Whether a backend may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectBreakerState {
    /// Any request may connect.
    Closed,
    /// No request may connect.
    Open {
        /// When it becomes half-open.
        until: Instant,
    },
    /// Only the request that holds the [`HalfOpenPermit`] may connect.
    HalfOpen,
}

/// What a failed connect changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureEffect {
    /// The breaker was closed, and is open.
    Opened,
    /// It was half-open, and is open again.
    Reopened,
    /// It was open already, for a connect that failed before this one.
    StillOpen,
}

impl ConnectBreaker {
    /// A closed breaker. `epoch` is any instant before the first `now`.
    pub fn new(epoch: Instant) -> Self {
        Self { epoch: Epoch::new(epoch), open_until: AtomicU64::new(0), half_open: HalfOpenSemaphore::default() }
    }

    /// Records a failed connect: opens the breaker until `now + time`.
    pub fn record_failure(&self, now: Instant, time: Duration) -> FailureEffect {
        // The later end wins: concurrent connects fail in any order.
        match self.epoch.instant(self.open_until.fetch_max(self.epoch.millis(now + time), Relaxed)) {
            None => FailureEffect::Opened,
            Some(until) if now < until => FailureEffect::StillOpen,
            Some(_) => FailureEffect::Reopened,
        }
    }

    /// Records a successful connect: closes the breaker. Returns whether that is a change.
    pub fn record_success(&self) -> bool {
        // A load first: in steady state nothing is written, so the cache line stays shared between cores.
        self.open_until.load(Relaxed) != 0 && self.open_until.swap(0, Relaxed) != 0
    }

    /// Whether it may be connected to now.
    pub fn state(&self, now: Instant) -> ConnectBreakerState {
        match self.epoch.instant(self.open_until.load(Relaxed)) {
            None => ConnectBreakerState::Closed,
            Some(until) if now < until => ConnectBreakerState::Open { until },
            Some(_) => ConnectBreakerState::HalfOpen,
        }
    }

    /// Takes the half-open permit, if the breaker is half-open and the permit is free. Keep it until after
    /// [`record_success`](Self::record_success) or [`record_failure`](Self::record_failure); if it is dropped without
    /// either, the next request may probe.
    pub fn try_acquire(&self, now: Instant) -> Option<HalfOpenPermit> {
        if self.state(now) != ConnectBreakerState::HalfOpen {
            return None;
        }
        let permit = self.half_open.try_acquire()?;
        // Check again: another probe may have ended between the load and the permit.
        (self.state(now) == ConnectBreakerState::HalfOpen).then_some(permit)
    }
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    #[test]
    fn one_request_at_a_time_probes_after_the_time() {
        let epoch = now();
        let at = |seconds| epoch + Duration::from_secs(seconds);
        let breaker = ConnectBreaker::new(epoch);
        assert_eq!(breaker.state(at(0)), ConnectBreakerState::Closed);
        assert!(breaker.try_acquire(at(0)).is_none(), "a closed breaker has no permit");
        assert_eq!(breaker.record_failure(at(1), TIME), FailureEffect::Opened);
        assert_eq!(breaker.record_failure(at(0), TIME), FailureEffect::StillOpen, "and no earlier end");
        assert_eq!(breaker.state(at(10)), ConnectBreakerState::Open { until: at(11) });
        assert!(breaker.try_acquire(at(10)).is_none());

        assert_eq!(breaker.state(at(11)), ConnectBreakerState::HalfOpen);
        let permit = breaker.try_acquire(at(11)).expect("it is half-open");
        assert!(breaker.try_acquire(at(11)).is_none(), "one at a time");
        drop(permit);
        let permit = breaker.try_acquire(at(12)).expect("the first probe ended without a result");
        assert_eq!(breaker.record_failure(at(12), TIME), FailureEffect::Reopened);
        drop(permit);
        assert_eq!(breaker.state(at(21)), ConnectBreakerState::Open { until: at(22) });

        let permit = breaker.try_acquire(at(22)).expect("half-open again");
        assert!(breaker.record_success(), "it opens");
        drop(permit);
        assert!(!breaker.record_success() && breaker.state(at(22)) == ConnectBreakerState::Closed);
        assert_eq!(breaker.record_failure(at(23), TIME), FailureEffect::Opened);
    }
}
