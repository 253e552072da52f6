//! Exercise 9.5: one byte range of a file (a warm-up, half an hour).
//!
//! **Contract.** [`response`] says what a GET of a file is answered with (RFC 9110, sections 13.1.5 and 14), from the
//! values of `Range` and `If-Range`.
//!
//! - `bytes=2-5` asks for the bytes 2 to 5, both included; `bytes=2-` for those from 2 on; `bytes=-3` for the last
//!   three. What lies beyond the end is cut off: 206 and `Content-Range: bytes 2-5/10`. The unit is `bytes` in any case.
//! - If nothing is left, or the suffix is 0 bytes: 416 and `Content-Range: bytes */10`.
//! - Anything else is ignored: another unit, several ranges, a sign, a blank, a last byte before the first one. So is a
//!   suffix of an empty file, whose last byte no `Content-Range` could name. Then 200 and the whole file.
//! - A number may be too large for 64 bits. It is larger than any file.
//! - With `If-Range`, the range counts only if that is the file's entity tag, and a strong one. A date is never the tag.

use crate::contracts::{FileVersion, RangeResponse};

/// The response to a GET with these values of `Range` and `If-Range`.
pub fn response(range: Option<&str>, _if_range: Option<&str>, file: FileVersion<'_>) -> RangeResponse {
    let size = file.size;
    let Some(range) = range.and_then(|value| value.strip_prefix("bytes=")) else {
        return RangeResponse { status: 200, content_range: None, body: 0..size };
    };
    let (first, last) = range.split_once('-').unwrap_or((range, ""));
    let first = first.parse().unwrap_or(0);
    let last = last.parse().unwrap_or(size);
    RangeResponse { status: 206, content_range: Some(format!("bytes {first}-{last}/{size}")), body: first..last }
}
