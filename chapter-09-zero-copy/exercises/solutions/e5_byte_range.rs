//! A solution of exercise 9.5.

use std::ops::Range;

use crate::contracts::{FileVersion, RangeResponse};

/// The response to a GET with these values of `Range` and `If-Range`.
pub fn response(range: Option<&str>, if_range: Option<&str>, file: FileVersion<'_>) -> RangeResponse {
    let FileVersion { size, entity_tag } = file;
    let is_strong = entity_tag.starts_with('"');
    let continues = if_range.is_none_or(|condition| is_strong && condition == entity_tag);
    match range.filter(|_| continues).and_then(|value| positions(value, size)) {
        None => RangeResponse { status: 200, content_range: None, body: 0..size },
        Some(body) if body.is_empty() => {
            RangeResponse { status: 416, content_range: Some(format!("bytes */{size}")), body: 0..0 }
        }
        Some(body) => {
            let content_range = format!("bytes {}-{}/{size}", body.start, body.end - 1);
            RangeResponse { status: 206, content_range: Some(content_range), body }
        }
    }
}

/// The bytes of the file that the value asks for: an empty range if it has none of them. `None`: to be ignored.
fn positions(value: &str, size: u64) -> Option<Range<u64>> {
    let (unit, range) = value.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    match range.split_once('-')? {
        ("", suffix) => match number(suffix)? {
            length if size == 0 && length > 0 => None,
            length => Some(size.saturating_sub(length)..size),
        },
        (first, "") => Some(number(first)?..size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| first..last.saturating_add(1).min(size))
        }
    }
}

/// `u64::from_str` accepts a sign, and refuses what is too large.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}
