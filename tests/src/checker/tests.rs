use super::*;

fn response(bytes: &[u8], method: &str) -> Result<(ResponseHead, Vec<u8>, BodySummary), ReadError> {
    let mut reader = Reader::new(bytes);
    let head = reader.response_head()?;
    let mut body = Vec::new();
    let end = reader.body(head.framing(method)?, &mut |piece| body.extend_from_slice(piece))?;
    Ok((head, body, end))
}

#[test]
fn reads_each_framing_to_its_end() {
    let ok = |raw: &str, want: &str| {
        let (_, body, _) = response(raw.as_bytes(), "GET").unwrap();
        assert_eq!(body, want.as_bytes(), "{raw}");
    };
    ok("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "ab");
    ok("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "ab");
    ok("HTTP/1.0 200 OK\r\n\r\nab", "ab");
    let (_, body, _) = response(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "HEAD").unwrap();
    assert!(body.is_empty());
}

#[test]
fn rejects_what_a_careful_sender_never_sends() {
    for raw in [
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 99 \r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    ] {
        let error = response(raw.as_bytes(), "GET").expect_err(raw);
        assert!(matches!(error, ReadError::Malformed(_)), "{raw}: {error:?}");
    }
}

#[test]
fn tells_truncated_from_complete() {
    for raw in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nA:",
    ] {
        let error = response(raw.as_bytes(), "GET").expect_err(raw);
        assert!(matches!(error, ReadError::Truncated(_)), "{raw}: {error:?}");
    }
    assert!(matches!(response(b"", "GET"), Err(ReadError::Closed)));
}

#[test]
fn a_recorded_request_ends_where_its_framing_says() {
    let (head, body, _) = single_request(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").unwrap();
    assert_eq!((head.method.as_str(), head.target.as_str()), ("POST", "/a"));
    assert_eq!(body, b"x");
    assert!(single_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nx").is_err());
    assert!(single_request(b"GET / HTTP/1.1\r\n\r\n").is_err());
}
