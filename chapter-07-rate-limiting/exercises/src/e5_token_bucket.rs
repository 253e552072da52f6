//! Exercise 7.5: your bucket in the balancer (an evening).
//!
//! **Contract.** [`bucket`] returns a [`Bucket`] for a quota: token buckets of one size and one rate, with a state for
//! each key. It implements [`Algorithm`], whose documentation says what each method does, and runs in `rate_limited_lb`:
//! `your_bucket_lb` is that program with your bucket for `alg=gcra` and `alg=token`.
//!
//! - A bucket holds at most `burst` tokens, and is full at first. Tokens arrive evenly at the rate, whatever the period. A
//!   check takes `cost` tokens if there are as many, and none otherwise. A cost of 0 always passes.
//! - It never lets through what an exact bucket would refuse. What an exact one lets through it may refuse only because
//!   of rounding: one token in ten thousand, at any rate up to a million per second.
//! - `remaining` is the number of whole tokens after the check, `reset` the time until there is one more, zero if the
//!   bucket is full. After `retry_after` the same request passes, two nanoseconds earlier it does not. Zero if it has
//!   passed, [`Duration::MAX`] if its cost is higher than the burst.
//! - `give_back` puts tokens back, as many as fit. A state is idle if its bucket is full, and only then.
//! - Four threads together get exactly what is there, and lose nothing that is given back.
//! - A `now` that is behind an earlier one is no error, and lets nothing more through.
//! - A state takes no more than eight bytes: there is one for each of 65,536 clients.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use rate_limiting::{
    algorithm::{Algorithm, Decision},
    rate::Quota,
};

/// Buckets that are refilled once a second.
#[derive(Debug)]
pub struct Bucket {
    quota: Quota,
}

/// The state of one bucket.
#[derive(Debug, Default)]
pub struct State {
    /// Tokens that were taken and have not come back yet.
    taken: AtomicU32,
    /// In seconds.
    refilled_at: AtomicU32,
}

/// Buckets for this quota.
pub fn bucket(quota: Quota) -> Bucket {
    Bucket { quota }
}

impl Bucket {
    fn refill(&self, state: &State, now: Duration) {
        let second = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        let seconds = second.saturating_sub(state.refilled_at.swap(second, Relaxed));
        let rate = self.quota.rate;
        let refilled = seconds.saturating_mul(rate.count().get()) / rate.period().seconds();
        let taken = state.taken.load(Relaxed);
        state.taken.store(taken.saturating_sub(refilled), Relaxed);
    }
}

impl Algorithm for Bucket {
    type State = State;

    fn check(&self, state: &State, cost: u32, now: Duration) -> Decision {
        const SECOND: Duration = Duration::from_secs(1);
        self.refill(state, now);
        let tokens = self.quota.burst.get().saturating_sub(state.taken.load(Relaxed));
        if tokens < cost {
            return Decision { allowed: false, remaining: tokens, reset: SECOND, retry_after: SECOND };
        }
        state.taken.fetch_add(cost, Relaxed);
        Decision { allowed: true, remaining: tokens - cost, reset: SECOND, retry_after: Duration::ZERO }
    }

    fn give_back(&self, state: &State, cost: u32, _now: Duration) {
        let taken = state.taken.load(Relaxed);
        state.taken.store(taken.saturating_sub(cost), Relaxed);
    }

    fn is_idle(&self, state: &State, _now: Duration) -> bool {
        state.taken.load(Relaxed) == 0
    }
}
