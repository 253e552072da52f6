//! Local replies: responses of the balancer itself.

use std::io::Write as _;

use super::fields::{put_display_field, put_field, put_status_line};
use crate::http::{
    date::HttpDate,
    local_reply::{LocalReply, LocalReplyBody},
};

/// The reason phrase of the status codes that the balancer sends itself (RFC 9110 §15).
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "Error",
    }
}

/// Writes a complete response: the status line, its own headers, `added_fields` (complete lines), and the body with its
/// exact length. The relay calls it for a balancer; a server without a relay calls it itself.
///
/// # Panics
/// Never: writing to a `Vec` cannot fail.
pub fn write_local_reply(
    out: &mut Vec<u8>,
    reply: &LocalReply,
    date: &HttpDate,
    added_fields: &[u8],
    close: bool,
    omit_body: bool,
) {
    let LocalReply { status, retry_after, fields, body, .. } = *reply;
    let reason = reason_phrase(status);
    put_status_line(out, status, reason.as_bytes());
    put_field(out, b"Date", date.as_bytes());
    if let Some(seconds) = retry_after {
        put_display_field(out, "Retry-After", seconds);
    }
    for (name, value) in fields {
        put_field(out, name.as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(added_fields);
    if status == 405 && !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("Allow")) {
        put_field(out, b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE"); // RFC 9110 §15.5.6: MUST
    }
    if close {
        put_field(out, b"Connection", b"close");
    }
    // A client would take a body after these for the next response (RFC 9112 §6.3).
    let has_no_body = matches!(status, 204 | 304);
    let body = if has_no_body { LocalReplyBody::Empty } else { body };
    let (content_type, length) = match body {
        LocalReplyBody::Empty => (None, 0),
        LocalReplyBody::Text => (Some("text/plain; charset=utf-8"), "000 \n".len() + reason.len()),
        LocalReplyBody::Problem => {
            (Some("application/problem+json"), r#"{"title":"","status":000}"#.len() + 1 + reason.len())
        }
    };
    if let Some(content_type) = content_type {
        put_field(out, b"Content-Type", content_type.as_bytes());
    }
    if !has_no_body {
        put_display_field(out, "Content-Length", length);
    }
    out.extend_from_slice(b"\r\n");
    if omit_body {
        return;
    }
    match body {
        LocalReplyBody::Empty => Ok(()),
        LocalReplyBody::Text => writeln!(out, "{status} {reason}"),
        LocalReplyBody::Problem => writeln!(out, r#"{{"title":"{reason}","status":{status}}}"#),
    }
    .expect("writing to a Vec cannot fail");
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn written(reply: &LocalReply, added_fields: &[u8], omit_body: bool) -> (String, String) {
        let mut out = Vec::new();
        write_local_reply(&mut out, reply, &SystemTime::UNIX_EPOCH.into(), added_fields, true, omit_body);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_owned() + "\r\n", body.to_owned())
    }

    #[test]
    fn a_status_without_a_body_has_neither_body_nor_length() {
        for status in [204, 304] {
            let (head, text) = written(&LocalReply::new(status, "test"), b"", false);
            assert!(!head.contains("Content-") && text.is_empty(), "{head}{text}");
        }
    }

    #[test]
    fn content_length_matches_the_body() {
        let reply = LocalReply::new(502, "test").with_retry_after(1).with_fields(&[("X-One", "1")]);
        for (body, content_type, expected) in [
            (LocalReplyBody::Empty, None, ""),
            (LocalReplyBody::Text, Some("text/plain; charset=utf-8"), "502 Bad Gateway\n"),
            (LocalReplyBody::Problem, Some("application/problem+json"), "{\"title\":\"Bad Gateway\",\"status\":502}\n"),
        ] {
            let (head, text) = written(&reply.with_body(body), b"X-Two: 2\r\n", false);
            for line in ["Date: Thu, 01 Jan 1970 00:00:00 GMT", "Retry-After: 1", "X-One: 1", "X-Two: 2"] {
                assert!(head.contains(&format!("{line}\r\n")), "{line} in {head}");
            }
            assert!(head.contains(&format!("Content-Length: {}\r\n", text.len())), "{head}{text}");
            assert_eq!(head.contains("Content-Type"), content_type.is_some());
            assert!(content_type.is_none_or(|value| head.contains(&format!("Content-Type: {value}\r\n"))), "{head}");
            assert_eq!(text, expected);
            assert_eq!(written(&reply.with_body(body), b"X-Two: 2\r\n", true), (head, String::new()));
        }
    }
}
