//! Time as the algorithms count it: sixteenths of a nanosecond since the process started, in one word.
//!
//! Sixteenths, because the time between two requests at 999,983 per second is no whole number of nanoseconds: rounded
//! to whole ones, the rate would be wrong by a thousandth; so by 0.006 % at most. 64 bits of them last 36 years.

use std::time::Duration;

const PER_NANO: u64 = 16;

/// A point in time, or a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticks(pub(crate) u64);

impl Ticks {
    /// This span as a duration, rounded up, so that a client that waits this long is not too early.
    pub(crate) fn to_duration(self) -> Duration {
        Duration::from_nanos(self.0.div_ceil(PER_NANO))
    }
}

impl From<Duration> for Ticks {
    fn from(duration: Duration) -> Self {
        let seconds = duration.as_secs().saturating_mul(PER_NANO * 1_000_000_000);
        Self(seconds.saturating_add(PER_NANO * u64::from(duration.subsec_nanos())))
    }
}
