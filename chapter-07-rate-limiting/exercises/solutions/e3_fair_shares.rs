//! Exercise 7.3, solved.
//!
//! A full bucket belongs to a tenant that wants less than it could have. If it takes no part in the division, its share
//! goes to the others, and as soon as it is not full any more, it takes part again: borrowing and giving back need no
//! record of who owes what. This is how water fills vessels that are connected, and *water-filling* is what the
//! computation of max-min shares is called.
//!
//! Between two requests several buckets may become full. So the time is divided into steps, each of which ends when the
//! next bucket is full: at most as many steps as there are tenants, however long the pause was.
//!
//! Deficit round robin and hierarchical token buckets (Linux's `htb`) do the same for packets, with queues. A limiter
//! has no queue, so it has to decide now.

use std::time::Duration;

use crate::contracts::{FairLimiter, Tenant};

/// Connected buckets.
#[derive(Debug)]
pub struct Shares {
    rate: f64,
    buckets: Vec<Bucket>,
    last: Duration,
}

#[derive(Debug)]
struct Bucket {
    weight: f64,
    size: f64,
    tokens: f64,
}

impl Bucket {
    fn is_full(&self) -> bool {
        self.tokens >= self.size
    }

    /// How many tokens per weight fit.
    fn room(&self) -> f64 {
        (self.size - self.tokens) / self.weight
    }
}

/// `rate` requests per second for these tenants.
pub fn fair_limiter(rate: u32, tenants: &[Tenant]) -> Shares {
    let bucket = |tenant: &Tenant| {
        let size = f64::from(tenant.burst);
        Bucket { weight: f64::from(tenant.weight), size, tokens: size }
    };
    Shares { rate: f64::from(rate), buckets: tenants.iter().map(bucket).collect(), last: Duration::ZERO }
}

impl Shares {
    fn fill(&mut self, mut arrived: f64) {
        while arrived > 0.0 {
            let filling = || self.buckets.iter().filter(|bucket| !bucket.is_full());
            let weights: f64 = filling().map(|bucket| bucket.weight).sum();
            // Infinite if all are full.
            let until_full = filling().map(Bucket::room).fold(f64::INFINITY, f64::min);
            if until_full.is_infinite() {
                return;
            }
            let per_weight = until_full.min(arrived / weights);
            for bucket in self.buckets.iter_mut().filter(|bucket| !bucket.is_full()) {
                // Exactly full, whatever is rounded: otherwise it would take part in the next step.
                let is_filled = bucket.room() <= per_weight;
                bucket.tokens = if is_filled { bucket.size } else { bucket.tokens + per_weight * bucket.weight };
            }
            arrived -= per_weight * weights;
            if per_weight < until_full {
                return;
            }
        }
    }
}

impl FairLimiter for Shares {
    fn allow(&mut self, tenant: usize, now: Duration) -> bool {
        self.fill(self.rate * now.saturating_sub(self.last).as_secs_f64());
        self.last = now;
        let bucket = &mut self.buckets[tenant];
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        allowed
    }
}
