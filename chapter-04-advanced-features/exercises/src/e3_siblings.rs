//! Exercise 4.3: worse than its siblings (an hour).
//!
//! **Contract.** [`siblings`] makes a [`Siblings`] for so many backends, whose first interval begins at `now`.
//!
//! - A look that comes before the interval is over does nothing. One that comes later looks at all that was counted
//!   since the last one that was not too early. Then all counts begin again, those that were too small as well.
//! - Judged is who has had at least `min_requests` and is not out. With fewer than `min_backends` of these nobody is
//!   ejected. Each has a success rate; their mean and their standard deviation (of all of them, not of a sample) count
//!   each backend once, however many requests it had. Whose rate is *below* mean - `factor` × deviation is ejected.
//! - What ends while its backend is out counts for nothing.
//! - An ejection begins at the look and lasts for `ejection`: when that is over, the backend is not out any more.
//! - At most `max_ejected_percent` of all backends are out at a time, those of earlier looks included, but one may
//!   always be. The worst go first; of equals the first in the list. Those who are spared are judged anew at the next
//!   look.

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

/// So many backends, of which nothing is known.
pub fn siblings(backends: usize, limits: Limits, now: Instant) -> Rates {
    Rates { limits, looked: now, backends: vec![Backend::default(); backends] }
}

impl Siblings for Rates {
    fn record(&mut self, backend: usize, ok: bool, _now: Instant) {
        self.backends[backend].requests += 1;
        self.backends[backend].successes += u64::from(ok);
    }

    fn look(&mut self, now: Instant) -> Vec<usize> {
        if now < self.looked + self.limits.interval {
            return Vec::new();
        }
        self.looked = now;
        let mut ejected = Vec::new();
        for (place, backend) in self.backends.iter_mut().enumerate() {
            let counted = std::mem::take(backend);
            // Nine of ten, whatever the others have.
            if counted.requests >= self.limits.min_requests && counted.successes * 10 < counted.requests * 9 {
                backend.out_until = Some(now + self.limits.ejection);
                ejected.push(place);
            }
        }
        ejected
    }

    fn is_ejected(&self, backend: usize, now: Instant) -> bool {
        self.backends[backend].out_until.is_some_and(|until| now < until)
    }
}
