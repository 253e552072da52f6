//! The two clocks, read where an engine has to and nowhere else.
//!
//! Policy never calls these: it takes `now` as an argument, so that a test can play a day in a millisecond. A loop
//! reads the clock once a turn and shares what it read.

use std::time::{Instant, SystemTime};

/// The monotonic clock: for deadlines and durations.
#[expect(clippy::disallowed_methods, reason = "this is where engines read it")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock: for the `Date` of our own answers.
#[expect(clippy::disallowed_methods, reason = "this is where engines read it")]
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}
