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
    half_open::{Gate, Pass},
};

/// What live connects say of one backend.
#[derive(Debug)]
pub struct Trial {
    epoch: Epoch,
    /// When it may be tried again; 0 while it is up.
    until: AtomicU64,
    gate: Gate,
}

/// Whether a backend may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// By everybody.
    Up,
    /// By nobody.
    Down {
        /// When it will be on trial.
        until: Instant,
    },
    /// By who takes the [`Pass`].
    OnTrial,
}

impl Trial {
    /// A backend that is up. `epoch` is any instant before the first that will be asked about.
    pub fn new(epoch: Instant) -> Self {
        Self { epoch: Epoch::new(epoch), until: AtomicU64::new(0), gate: Gate::default() }
    }

    /// A connect has failed: nobody is to try before `now + time`. Gives whether that is news; a trial that failed
    /// is none.
    pub fn mark_down(&self, now: Instant, time: Duration) -> bool {
        // The later end wins: connects that began together fail in any order.
        self.until.fetch_max(self.epoch.millis(now + time), Relaxed) == 0
    }

    /// A connect has succeeded. Gives whether that is news.
    pub fn mark_up(&self) -> bool {
        // A load first: on the steady path nothing is written, so the line stays shared between cores.
        self.until.load(Relaxed) != 0 && self.until.swap(0, Relaxed) != 0
    }

    /// Whether it may be connected to now.
    pub fn status(&self, now: Instant) -> Status {
        match self.epoch.instant(self.until.load(Relaxed)) {
            None => Status::Up,
            Some(until) if now < until => Status::Down { until },
            Some(_) => Status::OnTrial,
        }
    }

    /// Takes the trial, if it is on and nobody else has it. To be kept until after [`mark_up`](Self::mark_up) or
    /// [`mark_down`](Self::mark_down); dropped without either, the next request may try.
    pub fn try_take(&self, now: Instant) -> Option<Pass> {
        if self.status(now) != Status::OnTrial {
            return None;
        }
        let pass = self.gate.try_enter()?;
        // Again: between the look and the gate another trial may have come to its end.
        (self.status(now) == Status::OnTrial).then_some(pass)
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
        let trial = Trial::new(epoch);
        assert_eq!(trial.status(at(0)), Status::Up);
        assert!(trial.try_take(at(0)).is_none(), "who is up needs no trial");
        assert!(trial.mark_down(at(1), TIME), "news");
        assert!(!trial.mark_down(at(0), TIME), "no news, and no earlier end");
        assert_eq!(trial.status(at(10)), Status::Down { until: at(11) });
        assert!(trial.try_take(at(10)).is_none());

        assert_eq!(trial.status(at(11)), Status::OnTrial);
        let pass = trial.try_take(at(11)).expect("it is on trial");
        assert!(trial.try_take(at(11)).is_none(), "one at a time");
        drop(pass);
        let pass = trial.try_take(at(12)).expect("the first left without a word");
        assert!(!trial.mark_down(at(12), TIME), "a failed trial is no news");
        drop(pass);
        assert_eq!(trial.status(at(21)), Status::Down { until: at(22) });

        let pass = trial.try_take(at(22)).expect("on trial again");
        assert!(trial.mark_up(), "news");
        drop(pass);
        assert!(!trial.mark_up() && trial.status(at(22)) == Status::Up);
        assert!(trial.mark_down(at(23), TIME), "news again");
    }
}
