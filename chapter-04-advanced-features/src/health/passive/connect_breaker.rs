//! A backend that refused a connect: left out for a while, then tried by one request.
//!
//! When you need it: always. A killed process is noticed by the first request that meets it, where the checks take
//! until the third round. What it costs: one relaxed load of a line that is hardly ever written. The invariant: once
//! its time is over, one request at a time is the test; the others stay away until that one has connected. nginx does
//! the same with `fail_timeout`; the half-open state is the circuit breaker's (Nygard, *Release It!*, 2007).

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::health::{
    epoch::Epoch,
    half_open::{HalfOpenPermit, HalfOpenSemaphore},
};

/// What live connects say of one backend.
#[derive(Debug)]
pub struct ConnectBreaker {
    epoch: Epoch,
    /// When it may be tried again; 0 while it is up.
    open_until: AtomicU64,
    half_open: HalfOpenSemaphore,
}

/// Whether a backend may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectBreakerState {
    /// By everybody.
    Closed,
    /// By nobody.
    Open {
        /// When it will be on trial.
        until: Instant,
    },
    /// By who takes the [`Pass`].
    HalfOpen,
}

impl ConnectBreaker {
    /// A backend that is up. `epoch` is any instant before the first that will be asked about.
    pub fn new(epoch: Instant) -> Self {
        Self { epoch: Epoch::new(epoch), open_until: AtomicU64::new(0), half_open: HalfOpenSemaphore::default() }
    }

    /// A connect has failed: nobody is to try before `now + time`. Gives whether that is news; a trial that failed
    /// is none.
    pub fn record_failure(&self, now: Instant, time: Duration) -> bool {
        // The later end wins: connects that began together fail in any order.
        self.open_until.fetch_max(self.epoch.millis(now + time), Relaxed) == 0
    }

    /// A connect has succeeded. Gives whether that is news.
    pub fn record_success(&self) -> bool {
        // A load first: on the steady path nothing is written, so the line stays shared between cores.
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

    /// Takes the trial, if it is on and nobody else has it. To be kept until after [`mark_up`](Self::mark_up) or
    /// [`mark_down`](Self::mark_down); dropped without either, the next request may try.
    pub fn try_acquire(&self, now: Instant) -> Option<HalfOpenPermit> {
        if self.state(now) != ConnectBreakerState::HalfOpen {
            return None;
        }
        let pass = self.half_open.try_acquire()?;
        // Again: between the look and the gate another trial may have come to its end.
        (self.state(now) == ConnectBreakerState::HalfOpen).then_some(pass)
    }
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    #[test]
    fn one_request_at_a_time_tries_after_the_time() {
        let epoch = now();
        let at = |seconds| epoch + Duration::from_secs(seconds);
        let trial = ConnectBreaker::new(epoch);
        assert_eq!(trial.state(at(0)), ConnectBreakerState::Closed);
        assert!(trial.try_acquire(at(0)).is_none(), "who is up needs no trial");
        assert!(trial.record_failure(at(1), TIME), "news");
        assert!(!trial.record_failure(at(0), TIME), "no news, and no earlier end");
        assert_eq!(trial.state(at(10)), ConnectBreakerState::Open { until: at(11) });
        assert!(trial.try_acquire(at(10)).is_none());

        assert_eq!(trial.state(at(11)), ConnectBreakerState::HalfOpen);
        let pass = trial.try_acquire(at(11)).expect("it is on trial");
        assert!(trial.try_acquire(at(11)).is_none(), "one at a time");
        drop(pass);
        let pass = trial.try_acquire(at(12)).expect("the first left without a word");
        assert!(!trial.record_failure(at(12), TIME), "a failed trial is no news");
        drop(pass);
        assert_eq!(trial.state(at(21)), ConnectBreakerState::Open { until: at(22) });

        let pass = trial.try_acquire(at(22)).expect("on trial again");
        assert!(trial.record_success(), "news");
        drop(pass);
        assert!(!trial.record_success() && trial.state(at(22)) == ConnectBreakerState::Closed);
        assert!(trial.record_failure(at(23), TIME), "news again");
    }
}
