//! The monotonic clock and the wall clock. Only engines read them.
//!
//! Policies never call these functions: they take `now` as an argument, so a test can simulate a day in a millisecond.
//! An event loop reads the clock once per iteration and shares the value.

use std::time::{Instant, SystemTime};

/// The monotonic clock, for deadlines and durations.
#[expect(clippy::disallowed_methods, reason = "this is where engines read it")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock, for the `Date` header of responses.
#[expect(clippy::disallowed_methods, reason = "this is where engines read it")]
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}
