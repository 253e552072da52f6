//! `Range` (RFC 9110 §14): a part of a file, to resume a download or to seek in a video.

use std::ops::Range;

/// The part of a file that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RequestedRange {
    /// All of it: 200.
    Whole,
    /// These bytes: 206.
    Part(Range<u64>),
    /// Bytes beyond its end: 416.
    Unsatisfiable,
}

impl RequestedRange {
    /// Reads the value of `Range` for a file of `size` bytes. What is malformed, in another unit, or more than one range
    /// is ignored, as the RFC permits: several ranges need a multipart body, and overlapping ones were a way to make a
    /// server send a file many times over.
    pub(super) fn parse(value: &[u8], size: u64) -> Self {
        Self::parse_single(value, size).unwrap_or(Self::Whole)
    }

    /// `None`: it is to be ignored.
    fn parse_single(value: &[u8], size: u64) -> Option<Self> {
        let (unit, range) = value.split_at_checked("bytes=".len())?;
        if !unit.eq_ignore_ascii_case(b"bytes=") {
            return None;
        }
        let dash = range.iter().position(|byte| *byte == b'-')?;
        let range = match (&range[..dash], &range[dash + 1..]) {
            ([], suffix) => match parse_decimal(suffix)? {
                0 => return Some(Self::Unsatisfiable),
                _ if size == 0 => return None, // it asks for all, and `Content-Range` cannot say that of an empty file
                length => size.saturating_sub(length)..size,
            },
            (first, []) => parse_decimal(first)?..size,
            (first, last) => {
                let (first, last) = (parse_decimal(first)?, parse_decimal(last)?);
                if first > last {
                    return None;
                }
                first..last.saturating_add(1).min(size)
            }
        };
        Some(if range.start < size { Self::Part(range) } else { Self::Unsatisfiable })
    }
}

/// A number too large for 64 bits is larger than any file.
fn parse_decimal(digits: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| {
        digit.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}

#[cfg(test)]
mod tests {
    use super::RequestedRange::{Part, Unsatisfiable, Whole};
    use super::*;

    #[test]
    fn single_ranges_are_satisfied_and_others_ignored() {
        for (value, expected) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=2-5", Part(2..6)),
            ("Bytes=2-", Part(2..10)),
            ("bytes=-3", Part(7..10)),
            ("bytes=-30", Part(0..10)),
            ("bytes=9-99999999999999999999999", Part(9..10)),
            ("bytes=0-18446744073709551615", Part(0..10)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-20", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=5-2", Whole),
            ("bytes=0-1,4-5", Whole),
            ("bytes=0-1, 99-", Whole),
            ("lines=0-1", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1--2", Whole),
            ("bytes= 1-2", Whole),
            ("", Whole),
        ] {
            assert_eq!(RequestedRange::parse(value.as_bytes(), 10), expected, "{value}");
        }
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        for (value, expected) in [("bytes=0-", Unsatisfiable), ("bytes=0-0", Unsatisfiable), ("bytes=-1", Whole)] {
            assert_eq!(RequestedRange::parse(value.as_bytes(), 0), expected, "{value}");
        }
    }
}
