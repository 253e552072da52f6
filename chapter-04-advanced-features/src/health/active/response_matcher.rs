//! Matches the response to a health check against the expected status and body.
//!
//! A pure function without a socket: the [`probe`](super::probe) calls it with all bytes so far after each read, until
//! there is a result. It parses only what it needs: the status, and the body only if it must contain a text. `httparse`
//! is lenient, but enough here: nothing of the response is forwarded to a client.

use httparse::{Header, Response, Status, parse_chunk_size};

use super::status_set::StatusSet;

/// The maximum length of a response head.
pub(crate) const MAX_HEAD_BYTES: usize = 32 * 1024;
/// How much of a body is searched.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;

/// The result for the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MatchResult {
    NeedMore,
    Healthy,
    Unhealthy(String),
}

fn unhealthy(reason: impl Into<String>) -> MatchResult {
    MatchResult::Unhealthy(reason.into())
}

/// Matches all bytes received so far; `eof` if no more will follow.
pub(crate) fn match_response(
    expected_statuses: &StatusSet,
    body_contains: Option<&str>,
    received: &[u8],
    eof: bool,
) -> MatchResult {
    let mut rest = received;
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = Response::new(&mut headers);
        let head_bytes = match response.parse(rest) {
            Ok(Status::Complete(bytes)) => bytes,
            Ok(Status::Partial) if rest.len() > MAX_HEAD_BYTES => return unhealthy("the response head is too large"),
            Ok(Status::Partial) if eof => return unhealthy("connection closed before the response was complete"),
            Ok(Status::Partial) => return MatchResult::NeedMore,
            Err(error) => return unhealthy(format!("not an HTTP/1 response: {error}")),
        };
        rest = &rest[head_bytes..];
        let status = response.code.unwrap_or_default();
        // Interim responses precede the final one (RFC 9110 §15.2).
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        if !expected_statuses.contains(status) {
            return unhealthy(format!("status {status}, expected {expected_statuses}"));
        }
        let Some(body_contains) = body_contains else { return MatchResult::Healthy };
        let Some((body, complete)) = decode_body(status, response.headers, rest) else {
            return unhealthy("malformed body framing");
        };
        return match contains(body_contains.as_bytes(), &body) {
            true => MatchResult::Healthy,
            false if complete || eof || rest.len() >= MAX_BODY_BYTES => {
                unhealthy(format!("the body does not contain '{body_contains}'"))
            }
            false => MatchResult::NeedMore,
        };
    }
}

fn contains(body_contains: &[u8], body: &[u8]) -> bool {
    body.windows(body_contains.len()).any(|window| window == body_contains)
}

/// The body received so far, and whether it is complete; `None` if its framing is malformed.
fn decode_body(status: u16, headers: &[Header<'_>], rest: &[u8]) -> Option<(Vec<u8>, bool)> {
    let value =
        |name: &str| headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value);
    let rest = &rest[..rest.len().min(MAX_BODY_BYTES)];
    if status == 204 || status == 304 {
        return Some((Vec::new(), true));
    }
    if value("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().ends_with(b"chunked")) {
        return decode_chunked(rest);
    }
    match value("content-length") {
        None => Some((rest.to_vec(), false)), // until the connection closes
        Some(length) => {
            let length = std::str::from_utf8(length).ok()?.trim().parse::<usize>().ok()?;
            Some((rest[..rest.len().min(length)].to_vec(), rest.len() >= length))
        }
    }
}

/// The data of the chunks received so far. Decoded from the start each time: a check's response is a few bytes.
fn decode_chunked(mut rest: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut content = Vec::new();
    loop {
        let (skipped, length) = match parse_chunk_size(rest).ok()? {
            Status::Partial => return Some((content, false)),
            Status::Complete((_, 0)) => return Some((content, true)),
            Status::Complete((skipped, length)) => (skipped, usize::try_from(length).ok()?),
        };
        let data = &rest[skipped..];
        content.extend_from_slice(&data[..data.len().min(length)]);
        let Some(after) = data.get(length..).filter(|after| after.len() >= 2) else { return Some((content, false)) };
        rest = after.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn result(body_contains: Option<&str>, received: &str, eof: bool) -> String {
        match match_response(&StatusSet::default(), body_contains, received.as_bytes(), eof) {
            MatchResult::Unhealthy(reason) => reason,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn reads_no_further_than_the_status() {
        for (received, eof, expected) in [
            ("", false, "NeedMore"),
            ("HTTP/1.1 200 OK\r\n", false, "NeedMore"),
            ("HTTP/1.1 200 OK\r\n\r\n", false, "Healthy"),
            ("HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n", false, "Healthy"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx", false, "Healthy"),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false, "status 503, expected 200-399"),
            ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", false, "NeedMore"),
            ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n", false, "status 404, expected 200-399"),
            ("HTTP/1.1 200 OK\r\n", true, "connection closed before the response was complete"),
            ("", true, "connection closed before the response was complete"),
            ("SSH-2.0-OpenSSH_9.6\r\n", false, "not an HTTP/1 response: invalid HTTP version"),
        ] {
            assert_eq!(result(None, received, eof), expected, "{received:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(MAX_HEAD_BYTES));
        assert_eq!(result(None, &endless, false), "the response head is too large");
    }

    #[test]
    fn finds_a_text_in_a_body_with_any_framing() {
        let missing = "the body does not contain 'ok'";
        for (received, eof, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nis ", false, "NeedMore"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nis ok", false, "Healthy"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad ok", false, missing),
            ("HTTP/1.1 200 OK\r\n\r\nso far so", false, "NeedMore"),
            ("HTTP/1.1 200 OK\r\n\r\nso far so ok", false, "Healthy"),
            ("HTTP/1.1 200 OK\r\n\r\nbad", true, missing),
            ("HTTP/1.1 204 No Content\r\n\r\n", false, missing),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n", false, "Healthy"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n", false, "NeedMore"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n", false, missing),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad!!", false, "malformed body framing"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", false, "malformed body framing"),
            ("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", false, "malformed body framing"),
        ] {
            assert_eq!(result(Some("ok"), received, eof), expected, "{received:?}");
        }
        let large = format!("HTTP/1.1 200 OK\r\n\r\n{}ok", "x".repeat(MAX_BODY_BYTES));
        assert_eq!(result(Some("ok"), &large, false), missing, "it is beyond the first 64 KiB");
    }

    proptest! {
        #[test]
        fn nothing_a_backend_sends_panics(
            head in "(HTTP/1\\.[01] [1-5][0-9]{2} OK\r\n)?(Transfer-Encoding: chunked\r\n|Content-Length: [0-9]{0,22}\r\n)?",
            body in proptest::collection::vec(any::<u8>(), 0..200),
            eof in any::<bool>(),
        ) {
            let received = [head.as_bytes(), b"\r\n", &body].concat();
            match_response(&StatusSet::default(), Some("ok"), &received, eof);
        }
    }
}
