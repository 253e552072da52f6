//! Exercise 4.3: success-rate outlier ejection (an hour).
//!
//! **Contract.** [`outlier_detector`] makes an [`OutlierDetector`] for this many backends, whose first interval begins
//! at `now`.
//!
//! - Calling `evaluate` before the interval is over does nothing. A later call evaluates everything that was counted
//!   since the last evaluation. Then all counts restart at 0, including those that were too small.
//! - A backend is compared if it has had at least `min_requests` and is not ejected. With fewer than `min_backends` of
//!   these, none is ejected. Each has a success rate; their mean and their standard deviation (population, not sample)
//!   count each backend once, however many requests it had. A rate *below* mean - `stdev_factor` × deviation ejects.
//! - A request that ends while its backend is ejected does not count.
//! - An ejection begins at the evaluation and lasts for `ejection_time`; then the backend is back.
//! - At most `max_ejected_percent` of all backends are ejected at a time, earlier ejections included, but one always
//!   may be. The worst are ejected first; on a tie the first in the list. Those beyond the limit are compared again at
//!   the next evaluation.

use std::time::Instant;

use crate::contracts::{OutlierConfig, OutlierDetector};

/// Counts of all backends.
#[derive(Debug)]
pub struct SuccessRates {
    config: OutlierConfig,
    last_evaluation: Instant,
    backends: Vec<Backend>,
}

#[derive(Debug, Clone, Default)]
struct Backend {
    requests: u64,
    successes: u64,
    ejected_until: Option<Instant>,
}

/// This many backends, without any counts yet.
pub fn outlier_detector(backends: usize, config: OutlierConfig, now: Instant) -> SuccessRates {
    SuccessRates { config, last_evaluation: now, backends: vec![Backend::default(); backends] }
}

impl OutlierDetector for SuccessRates {
    fn record(&mut self, backend: usize, ok: bool, _now: Instant) {
        self.backends[backend].requests += 1;
        self.backends[backend].successes += u64::from(ok);
    }

    fn evaluate(&mut self, now: Instant) -> Vec<usize> {
        if now < self.last_evaluation + self.config.interval {
            return Vec::new();
        }
        self.last_evaluation = now;
        let mut ejected = Vec::new();
        for (index, backend) in self.backends.iter_mut().enumerate() {
            let counted = std::mem::take(backend);
            // A fixed limit of 90 %, whatever the rates of the others.
            if counted.requests >= self.config.min_requests && counted.successes * 10 < counted.requests * 9 {
                backend.ejected_until = Some(now + self.config.ejection_time);
                ejected.push(index);
            }
        }
        ejected
    }

    fn is_ejected(&self, backend: usize, now: Instant) -> bool {
        self.backends[backend].ejected_until.is_some_and(|until| now < until)
    }
}
