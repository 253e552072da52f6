//! Exercise 4.3, solved.
//!
//! Envoy's `success_rate`: nobody says which rate is good, the siblings do. One backend of *n* can be at most √(n - 1)
//! standard deviations away from the mean, which is 1.73 of four backends and 2 of five: that is why 1.9 wants five.
//! And several bad ones hide each other, for they draw the mean down and the deviation up.

use std::time::Instant;

use crate::contracts::{Limits, Siblings};

/// Counts of all backends.
#[derive(Debug)]
pub struct Rates {
    limits: Limits,
    looked: Instant,
    backends: Vec<Backend>,
}

#[derive(Debug, Clone, Default)]
struct Backend {
    requests: u64,
    successes: u64,
    out_until: Option<Instant>,
}

impl Backend {
    fn is_out(&self, now: Instant) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }

    #[expect(clippy::cast_precision_loss, reason = "2^53 requests in one interval are a long way off")]
    fn rate(&self) -> f64 {
        self.successes as f64 / self.requests as f64
    }
}

/// So many backends, of which nothing is known.
pub fn siblings(backends: usize, limits: Limits, now: Instant) -> Rates {
    Rates { limits, looked: now, backends: vec![Backend::default(); backends] }
}

impl Siblings for Rates {
    fn record(&mut self, backend: usize, ok: bool, now: Instant) {
        let backend = &mut self.backends[backend];
        if !backend.is_out(now) {
            backend.requests += 1;
            backend.successes += u64::from(ok);
        }
    }

    fn look(&mut self, now: Instant) -> Vec<usize> {
        if now < self.looked + self.limits.interval {
            return Vec::new();
        }
        self.looked = now;
        let mut ejected = self.outliers();
        ejected.truncate(self.room(now));
        for backend in &mut self.backends {
            (backend.requests, backend.successes) = (0, 0);
        }
        for place in &ejected {
            self.backends[*place].out_until = Some(now + self.limits.ejection);
        }
        ejected
    }

    fn is_ejected(&self, backend: usize, now: Instant) -> bool {
        self.backends[backend].is_out(now)
    }
}

impl Rates {
    /// Those that are too far below the others, the worst first.
    fn outliers(&self) -> Vec<usize> {
        // Who is out has had none: its count began again when it was ejected, and `record` left it there.
        let is_judged = |backend: &Backend| backend.requests >= self.limits.min_requests;
        let judged = self.backends.iter().enumerate().filter(|(_, backend)| is_judged(backend));
        let mut rates: Vec<_> = judged.map(|(place, backend)| (place, backend.rate())).collect();
        if rates.len() < self.limits.min_backends {
            return Vec::new();
        }
        let mean = mean(rates.iter().map(|(_, rate)| *rate));
        let deviation = self::mean(rates.iter().map(|(_, rate)| (rate - mean).powi(2))).sqrt();
        rates.retain(|(_, rate)| *rate < mean - self.limits.factor * deviation);
        // Stable, so equals stay in the order of the list.
        rates.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        rates.into_iter().map(|(place, _)| place).collect()
    }

    /// How many more may go.
    fn room(&self, now: Instant) -> usize {
        let most = (self.backends.len() * self.limits.max_ejected_percent / 100).max(1);
        most.saturating_sub(self.backends.iter().filter(|backend| backend.is_out(now)).count())
    }
}

/// Of no numbers it is not a number, which is below nothing.
fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "so many backends there are not")]
    let count = numbers.len() as f64;
    numbers.sum::<f64>() / count
}
