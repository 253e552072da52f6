//! Exercise 7.2: delay instead of refuse (an hour).
//!
//! **Contract.** [`leaky_bucket`] returns a [`LeakyBucket`] that lets requests leave evenly: nginx's `limit_req` without
//! `nodelay`. A request leaves when it arrives ([`Admission::Pass`]), or after its delay ([`Admission::Delay`], which is
//! never zero).
//!
//! - Requests leave in the order in which they arrived, each at least `interval` after the one before, and as early as
//!   that allows. A pause saves nothing up: after it, two that arrive together still leave one interval apart.
//! - A request waits from its arrival until it leaves. At most `burst` wait at a time; one that leaves at `now` waits no
//!   more. A request that would be one too many is refused ([`Admission::Refuse`]). With a burst of 0 none waits.
//! - A refused request takes nothing: all others leave as if it had not come.
//! - `interval` is between a nanosecond and an hour; `burst` may be any number. Nothing overflows.

use std::time::Duration;

use crate::contracts::{Admission, LeakyBucket};

/// When the last request arrived.
#[derive(Debug)]
pub struct Bucket {
    interval: Duration,
    last: Option<Duration>,
}

/// A bucket without requests.
pub fn leaky_bucket(interval: Duration, _burst: u32) -> Bucket {
    Bucket { interval, last: None }
}

impl LeakyBucket for Bucket {
    fn arrive(&mut self, now: Duration) -> Admission {
        // Waits for the rest of the interval that began with the last arrival.
        let wait = self.last.map_or(Duration::ZERO, |last| (last + self.interval).saturating_sub(now));
        self.last = Some(now);
        if wait.is_zero() { Admission::Pass } else { Admission::Delay(wait) }
    }
}
