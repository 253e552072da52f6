//! Token bucket: a bucket that fills at the rate, and a token for each request.
//!
//! **Use it** to explain a limit: everybody understands the bucket. It holds at most `burst` tokens. Envoy's local rate
//! limit, Traefik and AWS describe theirs so.
//!
//! The bucket as everybody writes it has two numbers, the tokens and the time of the last refill, and needs a lock for
//! them. But a bucket that fills at a constant rate is *one* number: the time at which it was empty. The tokens are the
//! time since then, counted in intervals; to take one, move that time on by an interval. That is
//! [GCRA](super::gcra) with another origin of time: the same word, less the burst, and the same decisions, which a
//! property test checks.
//!
//! **Cost** and **burst**: as GCRA.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{Algorithm, Decision, gcra::interval_ticks};
use crate::{rate::Quota, ticks::Ticks};

/// Token buckets of one size and one rate.
#[derive(Debug)]
pub struct TokenBucket {
    /// The time in which one token arrives.
    interval: u64,
    burst: u32,
    /// The time in which an empty bucket fills.
    fill_time: u64,
}

impl TokenBucket {
    /// For this quota.
    pub fn new(quota: Quota) -> Self {
        let (interval, burst) = (interval_ticks(quota), quota.burst.get());
        Self { interval, burst, fill_time: interval.saturating_mul(burst.into()) }
    }

    /// The time starts at the fill time, so that a bucket that was empty at 0 is full.
    fn ticks(&self, now: Duration) -> u64 {
        Ticks::from(now).0.saturating_add(self.fill_time)
    }

    // ANCHOR: tokens
    /// The tokens in a bucket that was empty at `empty_at`, and the time until it has one more.
    fn tokens(&self, empty_at: u64, now: u64) -> (u32, u64) {
        let filling_for = now.saturating_sub(empty_at);
        if filling_for >= self.fill_time {
            return (self.burst, 0);
        }
        let tokens = u32::try_from(filling_for / self.interval).unwrap_or(u32::MAX);
        (tokens, self.interval - filling_for % self.interval)
    }
    // ANCHOR_END: tokens

    fn time_until(&self, cost: u32, empty_at: u64, now: u64) -> Duration {
        if cost > self.burst {
            return Duration::MAX;
        }
        let full_enough_at = empty_at.saturating_add(self.interval.saturating_mul(cost.into()));
        Ticks(full_enough_at.saturating_sub(now)).to_duration()
    }
}

impl Algorithm for TokenBucket {
    type State = AtomicU64;

    fn check(&self, state: &AtomicU64, cost: u32, now: Duration) -> Decision {
        let now = self.ticks(now);
        let mut empty_at = state.load(Relaxed);
        loop {
            let (tokens, until_more) = self.tokens(empty_at, now);
            if tokens < cost {
                let wait = self.time_until(cost, empty_at, now);
                return Decision::refused(tokens, Ticks(until_more).to_duration(), wait);
            }
            // What overflowed is lost: a full bucket was empty a fill time ago, however long it has been full.
            let taken_from = empty_at.max(now - self.fill_time);
            let next = taken_from.saturating_add(self.interval.saturating_mul(cost.into()));
            match state.compare_exchange_weak(empty_at, next, Relaxed, Relaxed) {
                Ok(_) => {
                    let (tokens, until_more) = self.tokens(next, now);
                    return Decision::allowed(tokens, Ticks(until_more).to_duration());
                }
                Err(moved) => empty_at = moved,
            }
        }
    }

    fn give_back(&self, state: &AtomicU64, cost: u32, _now: Duration) {
        let tokens = self.interval.saturating_mul(cost.into());
        let _ = state.fetch_update(Relaxed, Relaxed, |empty_at| Some(empty_at.saturating_sub(tokens)));
    }

    fn is_idle(&self, state: &AtomicU64, now: Duration) -> bool {
        self.tokens(state.load(Relaxed), self.ticks(now)).0 == self.burst
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn a_bucket_fills_up_to_its_size() {
        let quota = Quota::new("10/s".parse().unwrap()).with_burst(NonZeroU32::new(3).unwrap()).unwrap();
        let bucket = TokenBucket::new(quota);
        let state = AtomicU64::default();
        let at = |ms| bucket.check(&state, 1, Duration::from_millis(ms));
        assert_eq!([at(0), at(0), at(0)].map(|decision| decision.remaining), [2, 1, 0]);
        assert_eq!(at(30).retry_after, Duration::from_millis(70));
        assert!(at(100).allowed && !at(100).allowed);
        assert_eq!((0..9).filter(|_| at(60_000).allowed).count(), 3);
        bucket.give_back(&state, 3, Duration::from_mins(1));
        assert!(bucket.is_idle(&state, Duration::from_mins(1)));
    }
}
