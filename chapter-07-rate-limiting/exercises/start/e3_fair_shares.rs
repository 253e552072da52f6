//! Exercise 7.3: room for everybody (an hour).
//!
//! **Contract.** [`fair_limiter`] returns a [`FairLimiter`] that divides a rate (requests per second) among tenants:
//! weighted max-min fair shares. Each tenant has a bucket of tokens of the size `burst`, which is full at time 0. A
//! request passes if its tenant's bucket has a token, and takes it; a refused request takes nothing.
//!
//! - **The rate.** Tokens arrive evenly at the rate, and each goes to one bucket. They are divided among the buckets that
//!   are not full, in proportion to the weights. None is lost unless all buckets are full.
//! - **Guaranteed.** So a tenant that asks for no more than its share (the rate × its weight / all weights) and its
//!   burst always gets it, whatever the others do.
//! - **Borrowed.** What a tenant does not use goes to those that want more, by weight: a tenant gets what it asks for,
//!   or as much as any other in proportion to its weight, within 3 % and its burst.
//! - **Given back.** A tenant that comes back after a pause has its burst at once, and its share from then on.
//! - However long a pause was, the tokens are divided as if they had arrived one by one: several buckets may become full
//!   during it.

use std::time::Duration;

use crate::contracts::{FairLimiter, Tenant};

/// A rate, divided once and for all.
#[derive(Debug)]
pub struct Shares {
    rate: f64,
    tenants: Vec<Tenant>,
    tokens: Vec<f64>,
    last: Duration,
}

/// `rate` requests per second for these tenants.
pub fn fair_limiter(rate: u32, tenants: &[Tenant]) -> Shares {
    let tokens = tenants.iter().map(|tenant| f64::from(tenant.burst)).collect();
    Shares { rate: f64::from(rate), tenants: tenants.to_vec(), tokens, last: Duration::ZERO }
}

impl FairLimiter for Shares {
    fn allow(&mut self, tenant: usize, now: Duration) -> bool {
        let arrived = self.rate * now.saturating_sub(self.last).as_secs_f64();
        self.last = now;
        let weights: f64 = self.tenants.iter().map(|tenant| f64::from(tenant.weight)).sum();
        for (tenant, tokens) in self.tenants.iter().zip(&mut self.tokens) {
            // What does not fit is lost.
            *tokens = (*tokens + arrived * f64::from(tenant.weight) / weights).min(f64::from(tenant.burst));
        }
        let tokens = &mut self.tokens[tenant];
        let allowed = *tokens >= 1.0;
        *tokens -= if allowed { 1.0 } else { 0.0 };
        allowed
    }
}
