//! The only place that reads the clock.

use std::time::{Instant, SystemTime};

/// The clock by which everything is measured.
#[expect(clippy::disallowed_methods, reason = "this is the engine: what it measures is time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// For the report: `Thu, 01 Jan 1970 00:00:00 GMT`.
#[expect(clippy::disallowed_methods, reason = "a report says when it was made")]
pub(crate) fn date() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}
