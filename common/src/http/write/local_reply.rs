//! Local replies: responses of the balancer itself.

use std::{io::Write as _, time::SystemTime};

use super::fields::{put_field, put_status_line};

/// The reason phrase of the status codes that the balancer sends itself (RFC 9110 §15).
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        414 => "URI Too Long",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "Error",
    }
}

/// Writes a complete response with a one-line text body and its exact length.
pub(crate) fn write_local_reply(
    out: &mut Vec<u8>,
    status: u16,
    now: SystemTime,
    fields: &[(&str, &str)],
    close: bool,
    omit_body: bool,
) {
    let reason = reason_phrase(status);
    put_status_line(out, status, reason.as_bytes());
    put_field(out, b"Date", httpdate::fmt_http_date(now).as_bytes());
    for (name, value) in fields {
        put_field(out, name.as_bytes(), value.as_bytes());
    }
    if status == 405 {
        put_field(out, b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE"); // RFC 9110 §15.5.6: MUST
    }
    if close {
        put_field(out, b"Connection", b"close");
    }
    put_field(out, b"Content-Type", b"text/plain; charset=utf-8");
    let length = "000 \n".len() + reason.len();
    write!(out, "Content-Length: {length}\r\n\r\n").expect("writing to a Vec cannot fail");
    if !omit_body {
        writeln!(out, "{status} {reason}").expect("writing to a Vec cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_length_matches_the_body() {
        let mut out = Vec::new();
        write_local_reply(&mut out, 502, SystemTime::UNIX_EPOCH, &[("Retry-After", "1")], true, false);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains("Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n") && head.contains("Retry-After: 1\r\n"),
            "{head}"
        );
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{text}");
        assert_eq!(body, "502 Bad Gateway\n");
    }
}
