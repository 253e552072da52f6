//! Requests: methods, connections, pipelining, and what is no request.

use crate::Context;
use crate::case::cases;
use crate::client::Client;
use crate::rng::Rng;
use crate::wait::{TEST_TIMEOUT, ms, until};

use super::{Site, ask, counters};

cases! { "files";
    Fast other_methods_get_405_with_allow,
    Fast a_request_with_a_body_is_answered_and_the_connection_closed,
    Fast one_connection_serves_many_requests,
    Fast pipelined_requests_are_answered_in_order,
    Fast a_connection_closes_when_the_client_asks,
    Fast what_is_no_request_is_refused,
    Fast a_half_closed_client_gets_its_whole_file,
    Fast a_silent_client_is_closed_and_a_slow_head_gets_408,
}

fn other_methods_get_405_with_allow(ctx: &Context) {
    let site = Site::new();
    site.write("file", b"content");
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"] {
        for target in ["/file", "/none"] {
            let response = ask(&mut client, method, target, "");
            assert_eq!((response.status(), response.fields().get("allow")), (405, Some("GET, HEAD")), "{method}");
        }
    }
    assert_eq!(ask(&mut client, "OPTIONS", "*", "").status(), 405);
    assert_eq!(client.get("/file").text(), "content", "the connection stays open");
    client.send("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    let response = client.response("GET");
    assert_eq!((response.status(), response.fields().get("allow")), (405, Some("GET, HEAD")));
    client.expect_closed();
}

fn a_request_with_a_body_is_answered_and_the_connection_closed(ctx: &Context) {
    let site = Site::new();
    site.write("file", b"content");
    let program = site.start(ctx, &[]);
    let body = "x".repeat(3_000_000);
    for (method, status) in [("GET", 200), ("PUT", 405)] {
        let mut client = program.client();
        let length = body.len();
        let request = format!("{method} /file HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
        // The server answers at once. If it then closed the socket, a reset could destroy the response.
        assert!(client.try_send(request.as_bytes()).is_ok(), "{method}: the whole body is taken");
        let response = client.response(method);
        assert_eq!((response.status(), response.fields().get("connection")), (status, Some("close")), "{method}");
        assert_eq!(client.reader().fill().ok(), Some(0), "{method}: FIN, and no reset");
    }
    let mut client = program.client();
    client.send("PUT /file HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
    let response = client.response("PUT");
    assert_eq!((response.status(), response.interim.len()), (405, 0), "the body is not asked for");
}

fn one_connection_serves_many_requests(ctx: &Context) {
    let site = Site::new();
    site.write("file", b"content");
    let program = site.start(ctx, &["--workers", "1"]);
    let mut client = program.client();
    for _ in 0..300 {
        assert_eq!(client.get("/file").text(), "content");
    }
    until("all are counted", || counters(&program)[0] == 300);
    assert!(program.stdout().contains("connections: 1\n"), "{}", program.stdout());
}

fn pipelined_requests_are_answered_in_order(ctx: &Context) {
    const REQUESTS: usize = 400;
    let site = Site::new();
    let lengths = [0, 1, 1_000, 100_000, 700_000];
    for length in lengths {
        site.write(&length.to_string(), &Rng::new(length as u64).bytes(length));
    }
    for flags in [&[][..], &["--copy"]] {
        let program = site.start(ctx, flags);
        let mut client = program.client();
        let targets: Vec<_> = (0..REQUESTS).map(|index| lengths[index * 7 % lengths.len()]).collect();
        let requests: Vec<_> =
            targets.iter().map(|length| format!("GET /{length} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
        client.send(requests.concat());
        for (index, length) in targets.iter().enumerate() {
            let response = client.response("GET");
            assert!(response.body == Rng::new(*length as u64).bytes(*length), "{flags:?}: response {index}");
        }
        client.expect_no_input(ms(1));
    }
}

fn a_connection_closes_when_the_client_asks(ctx: &Context) {
    let site = Site::new();
    site.write("file", b"content");
    let program = site.start(ctx, &[]);
    for request in ["GET /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /file HTTP/1.0\r\n\r\n"] {
        let mut client = program.client();
        client.send(request);
        let response = client.response("GET");
        assert_eq!((response.text().as_str(), response.fields().get("connection")), ("content", Some("close")));
        client.expect_closed();
    }
}

fn what_is_no_request_is_refused(ctx: &Context) {
    let site = Site::new();
    site.write("file", b"content");
    let program = site.start(ctx, &[]);
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(40_000));
    for (request, status) in [
        ("GET /file HTTP/1.1\r\n\r\n", 400),
        ("GET /file HTTP/1.1\nHost: a\n\n", 400),
        ("GET /file HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET /file HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET /file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: zip\r\n\r\n", 501),
        ("\u{16}\u{3}\u{1}", 400),
        (&long, 414),
    ] {
        let mut client = program.client();
        client.send(request);
        let response = client.response("GET");
        assert_eq!((response.status(), response.fields().get("connection")), (status, Some("close")), "{request:.60}");
        client.expect_closed();
    }
    // What comes with an invalid request is never answered.
    let mut client = program.client();
    client.send("GET /file HTTP/1.1\r\n\r\nGET /file HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response("GET").status(), 400);
    client.expect_closed();
}

fn a_half_closed_client_gets_its_whole_file(ctx: &Context) {
    let (site, content) = (Site::new(), Rng::new(5).bytes(8_000_000));
    site.write("large", &content);
    let program = site.start(ctx, &[]);
    let mut client = program.client();
    client.request("GET", "/large", "");
    client.half_close();
    assert!(client.response("GET").body == content);
    client.expect_closed();
}

fn a_silent_client_is_closed_and_a_slow_head_gets_408(ctx: &Context) {
    let site = Site::new();
    site.write("file", b"content");
    let program = site.start(ctx, &["--idle-timeout", "300ms", "--head-timeout", "300ms"]);
    let mut idle = program.client();
    assert_eq!(idle.get("/file").text(), "content");
    let mut slow: Client = program.client();
    slow.send("GET /file HTTP/1.1\r\nHo");
    assert_eq!(slow.response("GET").status(), 408);
    assert_eq!(idle.read_until_closed(TEST_TIMEOUT).as_deref(), Some(&b""[..]), "an idle connection gets no 408");
}
