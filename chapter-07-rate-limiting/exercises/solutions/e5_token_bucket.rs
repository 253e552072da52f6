//! Exercise 7.5, solved.
//!
//! A bucket that fills at a constant rate is one number. Here it is the time at which the bucket will be full: the
//! tokens that are missing are the time until then, in intervals. Taking a token makes it one interval later, and a time
//! that is past means a full bucket. So one word changes in one compare-and-exchange, there is no lock and nothing that
//! two threads could see half-changed, and 0 is a full bucket.
//!
//! The chapter's token bucket stores when the bucket was empty, and GCRA calls this number the theoretical arrival time.
//!
//! The time between two tokens at 999,983 per second is no whole number of nanoseconds. Rounded down, the limit would
//! not hold; rounded up to the next nanosecond, one request in a thousand would be lost. Sixteenths are exact enough.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use rate_limiting::{
    algorithm::{Algorithm, Decision},
    rate::Quota,
};

/// Time is counted in these parts of a nanosecond: 64 bits of them last 36 years.
const PARTS: u64 = 16;

/// Buckets of one size and one rate.
#[derive(Debug)]
pub struct Bucket {
    burst: u32,
    /// The time in which one token arrives.
    interval: u64,
}

/// Buckets for this quota.
pub fn bucket(quota: Quota) -> Bucket {
    let interval = parts(quota.rate.period().duration()).div_ceil(quota.rate.count().get().into());
    Bucket { burst: quota.burst.get(), interval }
}

fn parts(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).saturating_mul(PARTS)
}

/// Rounded up, so that a client that waits this long is not too early.
fn to_duration(parts: u64) -> Duration {
    Duration::from_nanos(parts.div_ceil(PARTS))
}

impl Bucket {
    /// The time in which so many tokens arrive.
    fn time_for(&self, tokens: u32) -> u64 {
        self.interval.saturating_mul(tokens.into())
    }

    /// When the bucket is full after `cost` tokens were taken; `None` if they are not there.
    fn take(&self, full_at: u64, cost: u32, now: u64) -> Option<u64> {
        let next = full_at.max(now).saturating_add(self.time_for(cost));
        (cost == 0 || next <= now.saturating_add(self.time_for(self.burst))).then_some(next)
    }

    /// The whole tokens in the bucket, and the time until it has one more.
    fn tokens(&self, full_at: u64, now: u64) -> (u32, Duration) {
        let missing = full_at.saturating_sub(now);
        let filled = self.time_for(self.burst).saturating_sub(missing);
        let tokens = u32::try_from(filled / self.interval).unwrap_or(u32::MAX);
        (tokens, if missing == 0 { Duration::ZERO } else { to_duration(self.interval - filled % self.interval) })
    }
}

impl Algorithm for Bucket {
    type State = AtomicU64;

    fn check(&self, state: &AtomicU64, cost: u32, now: Duration) -> Decision {
        let now = parts(now);
        // Relaxed: nothing else is published with the word.
        match state.fetch_update(Relaxed, Relaxed, |full_at| self.take(full_at, cost, now)) {
            Ok(before) => {
                let (remaining, reset) = self.tokens(self.take(before, cost, now).unwrap_or(before), now);
                Decision { allowed: true, remaining, reset, retry_after: Duration::ZERO }
            }
            Err(full_at) => {
                let (remaining, reset) = self.tokens(full_at, now);
                let next = full_at.max(now).saturating_add(self.time_for(cost));
                let early = next.saturating_sub(now.saturating_add(self.time_for(self.burst)));
                let retry_after = if cost > self.burst { Duration::MAX } else { to_duration(early) };
                Decision { allowed: false, remaining, reset, retry_after }
            }
        }
    }

    fn give_back(&self, state: &AtomicU64, cost: u32, _now: Duration) {
        // A time in the past is a full bucket, however long ago it is.
        let _ = state.fetch_update(Relaxed, Relaxed, |full_at| Some(full_at.saturating_sub(self.time_for(cost))));
    }

    fn is_idle(&self, state: &AtomicU64, now: Duration) -> bool {
        state.load(Relaxed) <= parts(now)
    }
}
