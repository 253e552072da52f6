//! Absolute-form requests: the target names the destination, and the origin gets an ordinary request.

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::rng::Rng;

use super::{ask, start};

cases! { "forward";
    Fast a_request_goes_to_the_authority_in_its_target,
    Fast bodies_go_through_with_a_length_and_chunked,
    Fast head_has_no_body_and_the_connection_goes_on,
    Fast one_connection_reaches_several_destinations,
    Fast headers_for_the_proxy_are_not_forwarded,
    Fast http_1_0_clients_are_served_and_closed,
    Fast a_name_is_resolved,
    Fast via_of_a_response_names_the_version_in_which_it_was_received,
    Fast options_with_max_forwards_0_is_answered_by_the_proxy,
}

/// Answers with the target and the Host that it received.
fn mirror() -> Backend {
    Backend::start(|conn| {
        if let Ok(request) = conn.request() {
            let host = request.head.fields.get("host").unwrap_or("").to_owned();
            conn.write(ok_response(&format!("{} at {host}", request.head.target)));
        }
    })
}

fn a_request_goes_to_the_authority_in_its_target(ctx: &Context) {
    let (backend, program) = (mirror(), start(ctx, &[]));
    let mut client = program.client();
    let at = backend.addr();
    for (url, path) in [
        (format!("http://{at}/a?b=c"), "/a?b=c"),
        (format!("http://{at}"), "/"),
        (format!("http://{at}?q"), "/?q"),
        (format!("HTTP://{at}/x"), "/x"),
    ] {
        let response = ask(&mut client, "GET", &url, "X-Kept: 1\r\nX-Forwarded-For: theirs\r\n");
        assert_eq!((response.status(), response.text()), (200, format!("{path} at {at}")), "{url}");
        let response_via = response.fields().get("via").map(str::to_owned);
        let (head, _) = backend.last_request();
        assert_eq!((head.method.as_str(), head.minor), ("GET", 1));
        assert_eq!(head.fields.all("via").len(), 1, "{head:?}");
        assert!(head.fields.get("via").is_some_and(|via| via.starts_with("1.1 forward_proxy-")), "{head:?}");
        assert_eq!(response_via.as_deref(), head.fields.get("via"), "a proxy names itself in responses too");
        assert_eq!(head.fields.get("x-kept"), Some("1"));
        assert_eq!(head.fields.all("x-forwarded-for"), ["theirs"], "the proxy adds nothing about its client");
        for name in ["x-real-ip", "x-forwarded-host", "x-forwarded-proto", "x-request-id", "forwarded"] {
            assert!(!head.fields.has(name), "{name}: {head:?}");
        }
        assert_eq!(head.fields.list("connection"), ["close"]);
    }
}

fn bodies_go_through_with_a_length_and_chunked(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        let length = request.body.len();
        conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"));
        conn.write(&request.body);
    });
    let program = start(ctx, &[]);
    let mut client = program.client();
    let at = backend.addr();
    for size in [0, 1, 1000, 200_000] {
        let body = Rng::new(size as u64 + 1).bytes(size);
        client.send(format!("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: {size}\r\n\r\n"));
        client.send(&body);
        assert!(client.response("POST").body == body, "{size} bytes with a length");
        client.send(format!("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nTransfer-Encoding: chunked\r\n\r\n"));
        for chunk in body.chunks(7_000) {
            client.send(format!("{:x}\r\n", chunk.len()));
            client.send(chunk);
            client.send("\r\n");
        }
        client.send("0\r\n\r\n");
        assert!(client.response("POST").body == body, "{size} bytes in chunks");
    }
}

fn head_has_no_body_and_the_connection_goes_on(ctx: &Context) {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
    let (program, url) = (start(ctx, &[]), format!("http://{}/", backend.addr()));
    let mut client = program.client();
    for _ in 0..2 {
        let response = ask(&mut client, "HEAD", &url, "");
        assert_eq!((response.status(), response.body.len()), (200, 0));
        assert_eq!(response.fields().get("content-length"), Some("5"));
    }
}

fn one_connection_reaches_several_destinations(ctx: &Context) {
    let backends = [mirror(), mirror(), mirror()];
    let program = start(ctx, &[]);
    let mut client = program.client();
    for round in 0..6 {
        let backend = &backends[round % 3];
        let response = ask(&mut client, "GET", &format!("http://{}/{round}", backend.addr()), "");
        assert_eq!(response.text(), format!("/{round} at {}", backend.addr()));
    }
    // Pipelined as well.
    let [first, second, _] = backends.each_ref().map(Backend::addr);
    client.send(format!(
        "GET http://{first}/1 HTTP/1.1\r\nHost: a\r\n\r\nGET http://{second}/2 HTTP/1.1\r\nHost: a\r\n\r\n"
    ));
    assert_eq!(client.response("GET").text(), format!("/1 at {first}"));
    assert_eq!(client.response("GET").text(), format!("/2 at {second}"));
}

fn headers_for_the_proxy_are_not_forwarded(ctx: &Context) {
    let (backend, program) = (mirror(), start(ctx, &[]));
    let mut client = program.client();
    let extra = "Proxy-Authorization: Basic c2VjcmV0OnNlY3JldA==\r\nProxy-Connection: keep-alive\r\n\
        Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nTE: trailers\r\n\
        Authorization: Bearer theirs\r\nCookie: a=b\r\n";
    assert_eq!(ask(&mut client, "GET", &format!("http://{}/", backend.addr()), extra).status(), 200);
    let (head, _) = backend.last_request();
    for name in ["proxy-authorization", "proxy-connection", "keep-alive", "x-hop", "te"] {
        assert!(!head.fields.has(name), "{name}: {head:?}");
    }
    assert_eq!(head.fields.get("authorization"), Some("Bearer theirs"), "this header is for the origin");
    assert_eq!(head.fields.get("cookie"), Some("a=b"));
    let sent = backend.recordings()[0].bytes.clone();
    assert!(!sent.windows(8).any(|part| part == b"c2VjcmV0"), "{}", sent.escape_ascii());
}

fn http_1_0_clients_are_served_and_closed(ctx: &Context) {
    let (backend, program) = (mirror(), start(ctx, &[]));
    let mut client = program.client();
    client.send(format!("GET http://{}/old HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", backend.addr()));
    assert_eq!(client.response("GET").text(), format!("/old at {}", backend.addr()));
    client.expect_closed();
    assert!(!backend.last_request().0.fields.has("expect"), "Expect of an HTTP/1.0 client is ignored");
}

fn a_name_is_resolved(ctx: &Context) {
    let (backend, program) = (mirror(), start(ctx, &[]));
    let authority = format!("localhost:{}", backend.addr().port());
    let response = ask(&mut program.client(), "GET", &format!("http://{authority}/"), "");
    assert_eq!((response.status(), response.text()), (200, format!("/ at {authority}")));
}

fn via_of_a_response_names_the_version_in_which_it_was_received(ctx: &Context) {
    let backend = Backend::answering(
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200 OK\r\nVia: 1.1 theirs\r\nContent-Length: 2\r\n\r\nok",
    );
    let program = start(ctx, &[]);
    let response = ask(&mut program.client(), "GET", &format!("http://{}/", backend.addr()), "");
    let ours = response.interim[0].fields.get("via").and_then(|via| via.strip_prefix("1.1 ")).expect("a Via");
    assert!(ours.starts_with("forward_proxy-"), "{response:?}");
    assert_eq!(response.fields().all("via"), ["1.1 theirs".to_owned(), format!("1.0 {ours}")]);
}

/// RFC 9110 §7.6.2.
fn options_with_max_forwards_0_is_answered_by_the_proxy(ctx: &Context) {
    let (backend, program) = (mirror(), start(ctx, &[]));
    let (mut client, url) = (program.client(), format!("http://{}/", backend.addr()));
    for (method, status) in [("OPTIONS", 200), ("TRACE", 405)] {
        let response = ask(&mut client, method, &url, "Max-Forwards: 0\r\n");
        assert_eq!(response.status(), status, "{response:?}");
        assert!(response.fields().has("allow"), "{response:?}");
    }
    assert_eq!(backend.connections(), 0);
    assert_eq!(ask(&mut client, "OPTIONS", &url, "Max-Forwards: 1\r\n").status(), 200);
    assert_eq!(backend.last_request().0.fields.get("max-forwards"), Some("0"));
}
