//! The `Date` header of responses (RFC 9110 §6.6.1).

use std::{
    cell::Cell,
    io::Write as _,
    time::{Duration, SystemTime},
};

/// The length of an HTTP date, such as `Thu, 01 Jan 1970 00:00:00 GMT`.
const DATE_BYTES: usize = 29;

/// The year 10000, which no HTTP date can express, in time since 1970.
const END_OF_DATES: Duration = Duration::from_hours(70_389_528);

/// A point in time as an HTTP date (IMF-fixdate, RFC 9110 §5.6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpDate([u8; DATE_BYTES]);

impl HttpDate {
    /// Its text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<SystemTime> for HttpDate {
    fn from(time: SystemTime) -> Self {
        // httpdate writes the years 1970 to 9999; a clock outside them is set wrong, and its date means nothing.
        let is_writable = time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since < END_OF_DATES);
        let time = if is_writable { time } else { SystemTime::UNIX_EPOCH };
        let mut text = [0; DATE_BYTES];
        write!(text.as_mut_slice(), "{}", httpdate::HttpDate::from(time)).expect("an HTTP date has this length");
        Self(text)
    }
}

/// One thread's current date: formatted once per second, however many responses carry it.
#[derive(Debug)]
pub struct DateCache {
    /// Seconds since the Unix epoch.
    second: Cell<u64>,
    date: Cell<HttpDate>,
}

impl Default for DateCache {
    fn default() -> Self {
        Self { second: Cell::new(0), date: Cell::new(SystemTime::UNIX_EPOCH.into()) }
    }
}

impl DateCache {
    /// The date at `now`.
    pub fn at(&self, now: SystemTime) -> HttpDate {
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.second.replace(second) != second {
            self.date.set(now.into());
        }
        self.date.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_date_is_the_current_one() {
        let cache = DateCache::default();
        // Also when the clock is set back.
        for millis in [0, 999, 1_000, 1_999, 3_600_000, 500, 86_399_999, 1_700_000_000_123] {
            let now = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            let expected = httpdate::fmt_http_date(now);
            assert_eq!(cache.at(now).as_bytes(), expected.as_bytes(), "{millis}");
        }
    }

    #[test]
    fn a_clock_outside_the_range_of_dates_is_no_panic() {
        let epoch = HttpDate::from(SystemTime::UNIX_EPOCH);
        assert_eq!(HttpDate::from(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), epoch);
        assert_eq!(HttpDate::from(SystemTime::UNIX_EPOCH + END_OF_DATES), epoch);
        let last = SystemTime::UNIX_EPOCH + END_OF_DATES.saturating_sub(Duration::from_secs(1));
        assert_eq!(HttpDate::from(last).as_bytes(), b"Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
