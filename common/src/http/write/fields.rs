//! Functions that write the parts of a head.

use crate::{
    http::{exchange::Version, parse::head::FieldView},
    instance_id::request_id_digits,
};

pub(crate) fn put_status_line(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend([100, 10, 1].map(|unit| b"0123456789"[usize::from(status / unit % 10)]));
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes a header of ours: `prefix` is its name and `: `. A constant length spares two calls of `memcpy` per header.
#[inline]
pub(crate) fn put_own_field<const N: usize>(out: &mut Vec<u8>, prefix: &[u8; N], value: &[u8]) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes a header as it was received: one copy if its line is as [`put_field`] would write it.
#[inline]
pub(crate) fn put_received_field(out: &mut Vec<u8>, field: &FieldView<'_>) {
    match field.canonical_line {
        Some(line) => out.extend_from_slice(line),
        None => put_field(out, field.name, field.value),
    }
}

pub(crate) fn put_display_field(out: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    use std::io::Write as _;
    write!(out, "{name}: {value}\r\n").expect("writing to a Vec cannot fail");
}

/// As [`put_display_field`], for a value that others may have a part in: CR, LF and NUL become spaces (RFC 9110 §5.5).
pub(crate) fn put_sanitized_field(out: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    use std::io::Write as _;
    write!(out, "{name}: ").expect("writing to a Vec cannot fail");
    let start = out.len();
    write!(out, "{value}").expect("writing to a Vec cannot fail");
    while let Some(index) = memchr::memchr3(b'\r', b'\n', 0, &out[start..]) {
        out[start + index] = b' ';
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes Via: the version in which the message was received, and the name of this proxy (RFC 9110 §7.6.3).
#[inline]
pub(crate) fn put_via(out: &mut Vec<u8>, received: Version, pseudonym: &str) {
    out.extend_from_slice(b"Via: 1.");
    out.push(if received == Version::Http10 { b'0' } else { b'1' });
    out.push(b' ');
    out.extend_from_slice(pseudonym.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes X-Request-ID: 32 hex digits.
pub(crate) fn put_request_id(out: &mut Vec<u8>, id: u128) {
    put_own_field(out, b"X-Request-ID: ", request_id_digits(id).as_flattened());
}
