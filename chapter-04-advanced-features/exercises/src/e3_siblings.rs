//! Exercise 4.3: worse than its siblings (an hour).
//!
//! **Contract.** [`siblings`] makes a [`Siblings`] for this many backends, whose first interval begins at `now`.
//!
//! - A `look` before the interval is over does nothing. A later one evaluates everything that was counted since the
//!   last one that was not too early. Then all counts restart at 0, those that were too small as well.
//! - A backend is judged if it has had at least `min_requests` and is not ejected. With fewer than `min_backends` of
//!   these, none is ejected. Each has a success rate; their mean and their standard deviation (population, not sample)
//!   count each backend once, however many requests it had. A rate *below* mean - `factor` × deviation ejects.
//! - A request that ends while its backend is ejected does not count.
//! - An ejection begins at the `look` and lasts for `ejection`: when that is over, the backend is back.
//! - At most `max_ejected_percent` of all backends are ejected at a time, earlier ejections included, but one always
//!   may be. The worst are ejected first; on a tie the first in the list. Those beyond the limit are judged anew at the
//!   next `look`.

use std::time::Instant;

use crate::contracts::{Limits, Siblings};

/// Counts of all backends.
#[derive(Debug)]
pub struct Rates {
    limits: Limits,
    last_look: Instant,
    backends: Vec<Backend>,
}

#[derive(Debug, Clone, Default)]
struct Backend {
    requests: u64,
    successes: u64,
    ejected_until: Option<Instant>,
}

/// This many backends, without any counts yet.
pub fn siblings(backends: usize, limits: Limits, now: Instant) -> Rates {
    Rates { limits, last_look: now, backends: vec![Backend::default(); backends] }
}

impl Siblings for Rates {
    fn record(&mut self, backend: usize, ok: bool, _now: Instant) {
        self.backends[backend].requests += 1;
        self.backends[backend].successes += u64::from(ok);
    }

    fn look(&mut self, now: Instant) -> Vec<usize> {
        if now < self.last_look + self.limits.interval {
            return Vec::new();
        }
        self.last_look = now;
        let mut ejected = Vec::new();
        for (index, backend) in self.backends.iter_mut().enumerate() {
            let counted = std::mem::take(backend);
            // A fixed limit of 90 %, whatever the siblings have.
            if counted.requests >= self.limits.min_requests && counted.successes * 10 < counted.requests * 9 {
                backend.ejected_until = Some(now + self.limits.ejection);
                ejected.push(index);
            }
        }
        ejected
    }

    fn is_ejected(&self, backend: usize, now: Instant) -> bool {
        self.backends[backend].ejected_until.is_some_and(|until| now < until)
    }
}
