//! Exercise 4.3, solved.
//!
//! Envoy's `success_rate`: each rate is compared with the mean of the group, not with a fixed limit. One backend of *n*
//! can be at most √(n - 1) standard deviations away from the mean, which is 1.73 for four backends and 2 for five: that
//! is why a factor of 1.9 needs five. And several failing backends mask each other, because they lower the mean and
//! raise the deviation.

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

impl Backend {
    fn is_ejected(&self, now: Instant) -> bool {
        self.ejected_until.is_some_and(|until| now < until)
    }

    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 requests in one interval")]
    fn rate(&self) -> f64 {
        self.successes as f64 / self.requests as f64
    }
}

/// This many backends, without any counts yet.
pub fn outlier_detector(backends: usize, config: OutlierConfig, now: Instant) -> SuccessRates {
    SuccessRates { config, last_evaluation: now, backends: vec![Backend::default(); backends] }
}

impl OutlierDetector for SuccessRates {
    fn record(&mut self, backend: usize, ok: bool, now: Instant) {
        let backend = &mut self.backends[backend];
        if !backend.is_ejected(now) {
            backend.requests += 1;
            backend.successes += u64::from(ok);
        }
    }

    fn evaluate(&mut self, now: Instant) -> Vec<usize> {
        if now < self.last_evaluation + self.config.interval {
            return Vec::new();
        }
        self.last_evaluation = now;
        let mut ejected = self.outliers();
        ejected.truncate(self.remaining_ejections(now));
        for backend in &mut self.backends {
            (backend.requests, backend.successes) = (0, 0);
        }
        for index in &ejected {
            self.backends[*index].ejected_until = Some(now + self.config.ejection_time);
        }
        ejected
    }

    fn is_ejected(&self, backend: usize, now: Instant) -> bool {
        self.backends[backend].is_ejected(now)
    }
}

impl SuccessRates {
    /// The backends that are too far below the others, the worst first.
    fn outliers(&self) -> Vec<usize> {
        // An ejected backend has no requests: its count was reset when it was ejected, and `record` keeps it at 0.
        let is_compared = |backend: &Backend| backend.requests >= self.config.min_requests;
        let compared = self.backends.iter().enumerate().filter(|(_, backend)| is_compared(backend));
        let mut rates: Vec<_> = compared.map(|(index, backend)| (index, backend.rate())).collect();
        if rates.len() < self.config.min_backends {
            return Vec::new();
        }
        let mean = mean(rates.iter().map(|(_, rate)| *rate));
        let deviation = self::mean(rates.iter().map(|(_, rate)| (rate - mean).powi(2))).sqrt();
        rates.retain(|(_, rate)| *rate < mean - self.config.stdev_factor * deviation);
        // Stable, so ties stay in the order of the list.
        rates.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        rates.into_iter().map(|(index, _)| index).collect()
    }

    /// How many more backends may be ejected.
    fn remaining_ejections(&self, now: Instant) -> usize {
        let limit = (self.backends.len() * self.config.max_ejected_percent / 100).max(1);
        limit.saturating_sub(self.backends.iter().filter(|backend| backend.is_ejected(now)).count())
    }
}

/// NaN for no numbers, and no rate is below NaN.
fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 backends")]
    let count = numbers.len() as f64;
    numbers.sum::<f64>() / count
}
