//! The time of a request as a log writes it.
//!
//! Workers read the monotonic clock for everything they do. The wall clock is read once a second, and the date is
//! formatted once a second, however many lines carry it.

use std::{
    cell::Cell,
    time::{Duration, Instant, SystemTime},
};

use common::http::HttpDate;

/// A time in UTC, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    date: HttpDate,
    millis: u16,
}

/// One thread's clock for timestamps.
#[derive(Debug, Default)]
pub struct LogClock {
    /// The two clocks, read at the same moment.
    read: Cell<Option<(Instant, SystemTime)>>,
    /// The last second that was formatted, in seconds since 1970.
    formatted: Cell<Option<(u64, HttpDate)>>,
}

/// After this time the wall clock is read again: it may have been set.
const MAX_AGE: Duration = Duration::from_secs(1);

impl LogClock {
    /// The wall clock's time at `at`, which was a moment ago at `now`.
    pub fn timestamp(&self, at: Instant, now: Instant, wall_clock: impl FnOnce() -> SystemTime) -> Timestamp {
        let (read_at, read) = match self.read.get() {
            Some((read_at, read)) if now.saturating_duration_since(read_at) < MAX_AGE => (read_at, read),
            _ => {
                let read = (now, wall_clock());
                self.read.set(Some(read));
                read
            }
        };
        let since_epoch = read.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time =
            (since_epoch + at.saturating_duration_since(read_at)).saturating_sub(read_at.saturating_duration_since(at));
        let millis = u16::try_from(time.subsec_millis()).unwrap_or_default();
        Timestamp { date: self.date(time.as_secs()), millis }
    }

    fn date(&self, second: u64) -> HttpDate {
        match self.formatted.get() {
            Some((formatted, date)) if formatted == second => date,
            _ => {
                let date = (SystemTime::UNIX_EPOCH + Duration::from_secs(second)).into();
                self.formatted.set(Some((second, date)));
                date
            }
        }
    }
}

const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

impl Timestamp {
    /// Appends it as RFC 3339 has it: `2026-11-30T16:20:59.123Z`.
    pub fn write_rfc3339(&self, out: &mut Vec<u8>) {
        let date = self.date.as_bytes(); // Mon, 30 Nov 2026 16:20:59 GMT
        let month =
            MONTHS.chunks_exact(3).zip(1..).find(|(name, _)| *name == &date[8..11]).map_or(0, |(_, month)| month);
        out.extend_from_slice(&date[12..16]);
        out.extend_from_slice(&[b'-', b'0' + month / 10, b'0' + month % 10, b'-']);
        out.extend_from_slice(&date[5..7]);
        out.push(b'T');
        out.extend_from_slice(&date[17..25]);
        out.push(b'.');
        write_three_digits(out, self.millis);
        out.push(b'Z');
    }

    /// Appends it as the common log format has it: `30/Nov/2026:16:20:59 +0000`.
    pub fn write_clf(&self, out: &mut Vec<u8>) {
        let date = self.date.as_bytes();
        for (part, end) in [(5..7, b"/" as &[u8]), (8..11, b"/"), (12..16, b":"), (17..25, b" +0000")] {
            out.extend_from_slice(&date[part]);
            out.extend_from_slice(end);
        }
    }
}

/// Appends a number below 1,000 with leading zeros.
pub(super) fn write_three_digits(out: &mut Vec<u8>, number: u16) {
    let digit = |number: u16| b'0' + (number % 10) as u8;
    out.extend_from_slice(&[digit(number / 100), digit(number / 10), digit(number)]);
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    fn texts(timestamp: Timestamp) -> [String; 2] {
        let (mut rfc3339, mut clf) = (Vec::new(), Vec::new());
        timestamp.write_rfc3339(&mut rfc3339);
        timestamp.write_clf(&mut clf);
        [rfc3339, clf].map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_time_has_milliseconds_and_is_utc() {
        let at = now();
        for (millis, rfc3339, clf) in [
            (0, "1970-01-01T00:00:00.000Z", "01/Jan/1970:00:00:00 +0000"),
            (1_796_055_659_007, "2026-11-30T16:20:59.007Z", "30/Nov/2026:16:20:59 +0000"),
            (1_709_164_799_999, "2024-02-28T23:59:59.999Z", "28/Feb/2024:23:59:59 +0000"),
        ] {
            let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(texts(LogClock::default().timestamp(at, at, || wall)), [rfc3339, clf]);
        }
    }

    #[test]
    fn the_wall_clock_is_read_once_a_second_and_followed_when_it_is_set() {
        let (clock, start, reads) = (LogClock::default(), now(), Cell::new(0));
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_796_055_659_500);
        let at = |began: u64, now: u64, wall: SystemTime| {
            let instant = |millis| start + Duration::from_millis(millis);
            let timestamp = clock.timestamp(instant(began), instant(now), || {
                reads.set(reads.get() + 1);
                wall
            });
            texts(timestamp)[0].clone()
        };
        assert_eq!(at(2_000, 2_000, wall), "2026-11-30T16:20:59.500Z");
        assert_eq!(at(2_750, 2_999, wall), "2026-11-30T16:21:00.250Z");
        assert_eq!((at(1_000, 2_999, wall), reads.get()), ("2026-11-30T16:20:58.500Z".into(), 1), "it began earlier");
        let set = wall - Duration::from_hours(1);
        assert_eq!((at(3_000, 3_000, set), reads.get()), ("2026-11-30T15:20:59.500Z".into(), 2));
    }

    #[test]
    fn a_clock_before_1970_is_no_panic() {
        let clock = LogClock::default();
        let timestamp = clock.timestamp(now(), now(), || SystemTime::UNIX_EPOCH - Duration::from_secs(5));
        assert!(texts(timestamp)[0].starts_with("1970-01-01"));
    }
}
