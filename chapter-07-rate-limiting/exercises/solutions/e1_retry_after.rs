//! Exercise 7.1, solved.
//!
//! With `k` more requests the arrival time is `early + k` intervals from now, and may be `burst` intervals away. So one
//! more than `remaining` passes once `early` has shrunk to `burst - remaining - 1` intervals. The arrival time itself is
//! much later: when the bucket is full.
//!
//! Seconds are rounded up. Rounded down, a client that waits as told is refused again; and one second more than the
//! whole ones is too much where the time is a whole number of seconds. With nothing remaining, `t` and `Retry-After`
//! are the same.

use std::time::Duration;

use crate::contracts::{GcraLimit, LimitStatus};

/// What a client with this state is told at `now`.
pub fn status(arrival_time: Duration, now: Duration, limit: GcraLimit) -> LimitStatus {
    let early = arrival_time.saturating_sub(now);
    let available = (limit.interval * limit.burst).saturating_sub(early);
    let remaining = u32::try_from(available.as_nanos() / limit.interval.as_nanos()).unwrap_or(limit.burst);
    let enough = limit.interval * limit.burst.saturating_sub(remaining + 1);
    let reset_seconds = whole_seconds(early.saturating_sub(enough));
    LimitStatus { remaining, reset_seconds, retry_after: (remaining == 0).then_some(reset_seconds) }
}

/// Rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
