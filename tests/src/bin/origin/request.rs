//! A request's head, as far as the response depends on it.

use crate::body::Body;

/// Longest head; behind a proxy that adds some headers, ours need a few hundred bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_FIELDS: usize = 128;

/// What is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseKind {
    Small,
    Bytes(u64),
    Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) kind: ResponseKind,
    pub(crate) body: Body,
    /// The connection closes after the response.
    pub(crate) close: bool,
}

/// Not a request that this server supports. The connection is closed: its peers are proxies under test, and a broken
/// request is a result that must not be missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Parses the head at the start of `bytes`, and returns its length. `None`: it is not complete.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(Request, usize)>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD_BYTES => return Ok(None),
        _ => return Err(Malformed),
    };
    // The response to a HEAD would have to be sent without its body; no test sends one.
    let kind = match (head.method, head.path) {
        (Some("HEAD") | None, _) | (_, None) => return Err(Malformed),
        (_, Some(path)) => kind_of(path)?,
    };
    let mut request = Request { kind, body: Body::EMPTY, close: head.version == Some(0) };
    for field in head.headers.iter() {
        // By length first, which rules out most headers.
        match field.name.len() {
            10 if field.name.eq_ignore_ascii_case("connection") => {
                request.close |= field.value.split(|&byte| byte == b',').any(|token| is(token, "close"));
            }
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                request.body = Body::Length(number(field.value)?);
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") && is(field.value, "chunked") => {
                request.body = Body::CHUNKED;
            }
            _ => {}
        }
    }
    Ok(Some((request, length)))
}

fn kind_of(path: &str) -> Result<ResponseKind, Malformed> {
    match path.strip_prefix("/bytes/") {
        Some(length) => length.parse().map(ResponseKind::Bytes).map_err(|_| Malformed),
        None if path == "/_count" => Ok(ResponseKind::Count),
        None => Ok(ResponseKind::Small),
    }
}

fn is(value: &[u8], token: &str) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(token.as_bytes())
}

fn number(value: &[u8]) -> Result<u64, Malformed> {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_the_response_depends_on() {
        let request = |kind, body, close| Ok(Some(Request { kind, body, close }));
        for (head, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", request(ResponseKind::Small, Body::EMPTY, false)),
            ("GET / HTTP/1.0\r\n\r\n", request(ResponseKind::Small, Body::EMPTY, true)),
            ("GET /bytes/10 HTTP/1.1\r\nA: b\r\n\r\n", request(ResponseKind::Bytes(10), Body::EMPTY, false)),
            ("GET /_count HTTP/1.1\r\nConnection: x, Close\r\n\r\n", request(ResponseKind::Count, Body::EMPTY, true)),
            ("POST /a HTTP/1.1\r\ncontent-length: 7\r\n\r\n", request(ResponseKind::Small, Body::Length(7), false)),
            (
                "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                request(ResponseKind::Small, Body::CHUNKED, false),
            ),
            ("GET / HTTP/1.1\r\nHost: a\r\n", Ok(None)),
            ("HEAD / HTTP/1.1\r\n\r\n", Err(Malformed)),
            ("GET /bytes/x HTTP/1.1\r\n\r\n", Err(Malformed)),
            ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", Err(Malformed)),
            ("\u{1}\r\n\r\n", Err(Malformed)),
        ] {
            let found = read(head.as_bytes());
            assert_eq!(found.map(|found| found.map(|(request, _)| request)), expected, "{head:?}");
            if let Ok(Some((_, length))) = found {
                assert_eq!(length, head.len());
            }
        }
    }
}
