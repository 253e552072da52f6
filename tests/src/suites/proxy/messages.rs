//! Responses: each status and framing arrives as the RFCs require (RFC 9110 §6.4, RFC 9112 §6.3).

use std::time::{Duration, SystemTime};

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::checker::Framing;
use crate::client::Response;
use crate::wait::ms;

cases! { "proxy";
    Fast head_keeps_the_length_and_has_no_body,
    Fast a_204_loses_its_length_and_coding,
    Fast a_304_keeps_its_length_and_has_no_body,
    Fast a_body_until_close_becomes_chunked,
    Fast a_body_until_close_stays_so_for_an_http_1_0_client,
    Fast a_chunked_body_ends_with_the_connection_for_an_http_1_0_client,
    Fast responses_of_an_http_1_0_backend_are_sent_as_http_1_1,
    Fast status_and_reason_are_kept,
    Fast an_empty_body_is_a_body,
    Fast a_response_without_a_date_gets_one,
    Fast options_and_trace_with_max_forwards_0_are_answered_by_the_balancer,
    Fast max_forwards_is_counted_down,
}

/// One exchange with a backend that answers `raw`, then a second one to check that no bytes are left over.
fn exchange(ctx: &Context, method: &str, raw: &str) -> Response {
    let backend = Backend::answering(raw);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.request(method, "/", "");
    let response = client.response(method);
    assert!(!response.head.says_close(), "{raw}: {:?}", response.head);
    client.expect_no_input(ms(20));
    client.request(method, "/again", "");
    let again = client.response(method);
    assert_eq!(again.status(), response.status(), "{raw}");
    assert_eq!(again.body, response.body, "{raw}");
    response
}

/// The same, once, for an HTTP/1.0 client.
fn exchange_1_0(ctx: &Context, raw: &str) -> Response {
    let backend = Backend::answering(raw);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let response = client.response("GET");
    client.expect_closed();
    response
}

fn head_keeps_the_length_and_has_no_body(ctx: &Context) {
    let response = exchange(ctx, "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n");
    assert_eq!(response.fields().get("content-length"), Some("12345"));
    let response = exchange(ctx, "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(response.fields().get("transfer-encoding"), Some("chunked"));
    let response = exchange(ctx, "HEAD", "HTTP/1.1 200 OK\r\nX-Plain: 1\r\n\r\n");
    assert_eq!(response.fields().get("x-plain"), Some("1"));
    assert!(!response.fields().has("content-length"));
}

fn a_204_loses_its_length_and_coding(ctx: &Context) {
    for field in ["", "Content-Length: 0\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let raw = format!("HTTP/1.1 204 No Content\r\nX-Kept: 1\r\n{field}\r\n");
        let response = exchange(ctx, "GET", &raw);
        assert_eq!((response.status(), response.framing), (204, Framing::None));
        assert_eq!(response.fields().get("x-kept"), Some("1"));
    }
}

fn a_304_keeps_its_length_and_has_no_body(ctx: &Context) {
    let raw = "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"a\"\r\n\r\n";
    let response = exchange(ctx, "GET", raw);
    assert_eq!(response.status(), 304);
    assert_eq!(response.fields().get("content-length"), Some("77"));
    assert_eq!(response.fields().get("etag"), Some("\"a\""));
    let response = exchange(ctx, "GET", "HTTP/1.1 304 Not Modified\r\n\r\n");
    assert!(!response.fields().has("content-length"));
}

fn a_body_until_close_becomes_chunked(ctx: &Context) {
    for raw in ["HTTP/1.1 200 OK\r\n\r\nall of it", "HTTP/1.0 200 OK\r\nX: y\r\n\r\nall of it"] {
        let response = exchange(ctx, "GET", raw);
        assert_eq!(response.framing, Framing::Chunked);
        assert_eq!(response.text(), "all of it");
        assert!(response.end.trailers.is_empty() && !response.end.extensions);
    }
}

fn a_body_until_close_stays_so_for_an_http_1_0_client(ctx: &Context) {
    let response = exchange_1_0(ctx, "HTTP/1.1 200 OK\r\n\r\nall of it");
    assert_eq!((response.framing, response.text().as_str()), (Framing::UntilClose, "all of it"));
}

fn a_chunked_body_ends_with_the_connection_for_an_http_1_0_client(ctx: &Context) {
    let raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n6\r\n of it\r\n0\r\nX: y\r\n\r\n";
    let response = exchange_1_0(ctx, raw);
    assert_eq!((response.framing, response.text().as_str()), (Framing::UntilClose, "all of it"));
    assert!(!response.fields().has("transfer-encoding"));
    let response = exchange_1_0(ctx, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall");
    assert_eq!((response.framing, response.text().as_str()), (Framing::Length(3), "all"));
}

fn responses_of_an_http_1_0_backend_are_sent_as_http_1_1(ctx: &Context) {
    let raw = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nold";
    let response = exchange(ctx, "GET", raw);
    assert_eq!((response.head.minor, response.text().as_str()), (1, "old"));
    assert!(!response.fields().list("connection").contains(&"keep-alive".into()));
}

fn status_and_reason_are_kept(ctx: &Context) {
    for line in ["200 OK", "201 Made", "299 Very  much so", "404 Nope", "418 I'm a teapot", "500 ", "599 \t!"] {
        let raw = format!("HTTP/1.1 {line}\r\nContent-Length: 1\r\n\r\nx");
        let response = exchange(ctx, "GET", &raw);
        assert_eq!(response.head.minor, 1);
        assert_eq!(response.head.status.to_string(), line[..3]);
        assert_eq!(response.head.reason.trim(), line[4..].trim());
    }
}

fn an_empty_body_is_a_body(ctx: &Context) {
    let response = exchange(ctx, "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(response.framing, Framing::Length(0));
    let response = exchange(ctx, "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!((response.framing, response.body.len()), (Framing::Chunked, 0));
    let response = exchange(ctx, "GET", "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!((response.framing, response.body.len()), (Framing::Chunked, 0));
}

/// RFC 9110 §7.6.2.
fn options_and_trace_with_max_forwards_0_are_answered_by_the_balancer(ctx: &Context) {
    let backend = Backend::ok("from the backend");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for (method, target, status) in [("OPTIONS", "*", 200), ("OPTIONS", "/x", 200), ("TRACE", "/x", 405)] {
        client.request(method, target, "Max-Forwards: 0\r\nCookie: secret\r\n");
        let response = client.response(method);
        crate::suites::local_reply::assert_local(&response, status);
        let allowed = response.fields().list("allow");
        assert!(allowed.contains(&"get".into()) && !allowed.contains(&"trace".into()), "{allowed:?}");
        assert!(!response.text().contains("secret"), "nothing is reflected: {response:?}");
        assert!(!response.head.says_close(), "{response:?}");
    }
    assert_eq!(backend.connections(), 0, "no request was forwarded");
    client.request("GET", "/", "Max-Forwards: 0\r\n");
    assert_eq!(client.response("GET").text(), "from the backend");
    assert_eq!(backend.last_request().0.fields.get("max-forwards"), Some("0"), "it means nothing with GET");
}

fn max_forwards_is_counted_down(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    for (method, sent, forwarded) in [("OPTIONS", "1", "0"), ("TRACE", "10", "9"), ("OPTIONS", "x", "x")] {
        let mut client = program.client();
        client.request(method, "/", &format!("Max-Forwards: {sent}\r\n"));
        assert_eq!(client.response(method).status(), 200);
        assert_eq!(backend.last_request().0.fields.get("max-forwards"), Some(forwarded), "{method} {sent}");
    }
}

/// RFC 9110 §6.6.1.
fn a_response_without_a_date_gets_one(ctx: &Context) {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\n\r\nok",
        // It is not for the client.
        "HTTP/1.1 200 OK\r\nConnection: Date\r\nDate: Thu, 20 Nov 2025 10:38:00 GMT\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
    ] {
        let response = exchange(ctx, "GET", head);
        assert_eq!(response.fields().all("date").len(), 1, "{response:?}");
        let date = httpdate::parse_http_date(response.fields().get("date").unwrap()).unwrap();
        let age = SystemTime::now().duration_since(date).unwrap_or_default();
        assert!(age < Duration::from_mins(1), "the date is the current one: {response:?}");
        assert!(response.interim.iter().all(|interim| !interim.fields.has("date")), "{response:?}");
    }
    let response = exchange(ctx, "GET", "HTTP/1.1 200 OK\r\ndate: its own\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(response.fields().all("date"), ["its own"]);
}
