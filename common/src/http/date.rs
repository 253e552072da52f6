//! The `Date` header of responses (RFC 9110 §6.6.1).

use std::{
    cell::Cell,
    io::Write as _,
    time::{Duration, Instant, SystemTime},
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
#[derive(Debug, Default)]
pub struct DateCache {
    /// The date, and until when it is the current one.
    current: Cell<Option<(HttpDate, Instant)>>,
}

impl DateCache {
    /// The date at `now`. Engines have read the monotonic clock anyway; `wall_clock` is read only once per second.
    pub fn at(&self, now: Instant, wall_clock: impl FnOnce() -> SystemTime) -> HttpDate {
        match self.current.get() {
            Some((date, until)) if now < until => date,
            _ => {
                let time = wall_clock();
                let date = time.into();
                self.current.set(Some((date, now + until_next_second(time))));
                date
            }
        }
    }
}

/// At most a second, so that the date follows a clock that is set.
fn until_next_second(time: SystemTime) -> Duration {
    let subsec_nanos = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    Duration::from_nanos(u64::from(1_000_000_000 - subsec_nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;

    #[test]
    fn a_cached_date_is_the_current_one_and_the_wall_clock_is_read_once_per_second() {
        let (cache, start, reads) = (DateCache::default(), now(), Cell::new(0));
        let wall_start = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        for (millis, expected_reads) in [(0, 1), (1, 1), (876, 1), (877, 2), (1_876, 2), (1_877, 3), (86_400_000, 4)] {
            let elapsed = Duration::from_millis(millis);
            let date = cache.at(start + elapsed, || {
                reads.set(reads.get() + 1);
                wall_start + elapsed
            });
            let expected = httpdate::fmt_http_date(wall_start + elapsed);
            assert_eq!(date.as_bytes(), expected.as_bytes(), "{millis} ms");
            assert_eq!(reads.get(), expected_reads, "{millis} ms");
        }
    }

    #[test]
    fn a_cached_date_follows_a_clock_that_is_set_back() {
        let (cache, start) = (DateCache::default(), now());
        let earlier = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
        cache.at(start, || earlier + Duration::from_hours(1));
        let date = cache.at(start + Duration::from_secs(1), || earlier);
        assert_eq!(date, earlier.into());
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
