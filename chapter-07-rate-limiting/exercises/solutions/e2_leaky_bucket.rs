//! Exercise 7.2, solved.
//!
//! One number: when the next request may leave. Those that wait leave one interval apart until then, so how many wait
//! follows from the time until then, as the tokens of a bucket follow from the time since when it fills. It is GCRA's
//! arrival time once more. The difference is what is done with a request that comes early: GCRA forwards it, this bucket
//! lets it wait for as long as it is early.
//!
//! With a delay of at most `burst` intervals, fewer than `burst` others leave before this one and after now. Comparing
//! times instead of counting rounds nothing.

use std::time::Duration;

use crate::contracts::{Admission, LeakyBucket};

/// When the next request may leave.
#[derive(Debug)]
pub struct Bucket {
    interval: Duration,
    /// The longest delay: `burst` intervals.
    max_delay: Duration,
    next_departure: Duration,
}

/// A bucket without requests.
pub fn leaky_bucket(interval: Duration, burst: u32) -> Bucket {
    Bucket { interval, max_delay: interval * burst, next_departure: Duration::ZERO }
}

impl LeakyBucket for Bucket {
    fn arrive(&mut self, now: Duration) -> Admission {
        let delay = self.next_departure.saturating_sub(now);
        if delay > self.max_delay {
            return Admission::Refuse;
        }
        self.next_departure = now + delay + self.interval;
        if delay.is_zero() { Admission::Pass } else { Admission::Delay(delay) }
    }
}
