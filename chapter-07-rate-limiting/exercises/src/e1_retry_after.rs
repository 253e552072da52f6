//! Exercise 7.1: when to come back (warm-up).
//!
//! **Contract.** [`status`] returns what a client is told about its limit, whose state is a theoretical arrival time.
//!
//! - A request passes at a time if the stored arrival time, or that time if it is later, plus one interval is at most
//!   `burst` intervals after that time. The sum is stored then.
//! - `remaining` is how many requests would pass now, one after another.
//! - `reset_seconds` is the smallest whole number of seconds after which more than `remaining` would pass, if none came
//!   in between. It is 0 if `remaining` is the burst.
//! - `retry_after` is the smallest whole number of seconds after which one would pass. It is `None` if one would pass
//!   now.
//! - The stored arrival time may be any: long past, or further away than the burst allows, if the limit was lowered.

use std::time::Duration;

use crate::contracts::{GcraLimit, LimitStatus};

/// What a client with this state is told at `now`.
pub fn status(arrival_time: Duration, now: Duration, limit: GcraLimit) -> LimitStatus {
    let full = limit.interval * limit.burst;
    let early = arrival_time.saturating_sub(now);
    let remaining = full.saturating_sub(early).as_nanos() / limit.interval.as_nanos();
    let remaining = u32::try_from(remaining).unwrap_or(limit.burst);
    // The bucket is full again at the arrival time.
    let reset_seconds = early.as_secs();
    LimitStatus { remaining, reset_seconds, retry_after: (remaining == 0).then_some(reset_seconds) }
}
