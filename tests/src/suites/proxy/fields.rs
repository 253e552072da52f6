//! Headers: order, case and duplicates are kept; hop-by-hop headers are removed (RFC 9110 §7.6.1).

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::checker::Fields;

cases! { "proxy";
    Fast request_fields_keep_order_case_and_duplicates,
    Fast hop_by_hop_request_fields_are_removed,
    Fast response_fields_keep_order_case_and_duplicates,
    Fast hop_by_hop_response_fields_are_removed,
    Fast a_response_cannot_drop_its_own_framing_headers,
    Fast our_own_name_in_via_is_a_forwarding_loop,
    Fast the_request_line_is_rebuilt_exactly,
}

/// The headers that the balancer adds to a request, by exact name.
const ADDED: &[&str] =
    &["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Via", "X-Request-ID", "Connection"];

fn names(fields: &Fields) -> Vec<(&str, &str)> {
    fields.iter().collect()
}

fn request_fields_keep_order_case_and_duplicates(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send(
        "POST /a?b=c HTTP/1.1\r\nuser-agent: x/1\r\nHOST: Example.test\r\nX-Dup: 1\r\nAccept: */*\r\n\
         x-dup: 2\r\nCookie: a=b\r\nX-DUP: 1\r\ncontent-length: 2\r\nCookie: c=d\r\nVia: 1.0 fred\r\n\r\nhi",
    );
    assert_eq!(client.response("POST").status(), 200);
    let (head, body) = backend.last_request();
    assert_eq!(body, b"hi");
    let got = names(&head.fields);
    let kept = [
        ("user-agent", "x/1"),
        ("HOST", "Example.test"),
        ("X-Dup", "1"),
        ("Accept", "*/*"),
        ("x-dup", "2"),
        ("Cookie", "a=b"),
        ("X-DUP", "1"),
        ("content-length", "2"),
        ("Cookie", "c=d"),
        ("Via", "1.0 fred"),
    ];
    assert_eq!(got[..kept.len()], kept);
    let mut added: Vec<_> = got[kept.len()..].iter().map(|(name, _)| *name).collect();
    let mut want = ADDED.to_vec();
    if !ctx.upstreams_are_told_to_close() {
        want.retain(|name| *name != "Connection");
    }
    added.sort_unstable();
    want.sort_unstable();
    assert_eq!(added, want, "exactly these are added, each once");
}

fn hop_by_hop_request_fields_are_removed(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.request(
        "GET",
        "/",
        "Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic c2VjcmV0\r\n\
         Proxy-Authenticate: Basic\r\nTE: trailers\r\nTrailer: X-T\r\nUpgrade: h2c\r\n\
         connection: x-hop-2 , ,x-never\r\nx-HOP: 2\r\nX-Hop-2: 3\r\nX-Hop-3: kept\r\n",
    );
    assert_eq!(client.response("GET").status(), 200);
    let (head, _) = backend.last_request();
    for gone in [
        "x-hop",
        "x-hop-2",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "proxy-authenticate",
        "te",
        "trailer",
        "upgrade",
        "transfer-encoding",
    ] {
        assert!(!head.fields.has(gone), "{gone} was forwarded: {:?}", head.fields);
    }
    assert_eq!(head.fields.get("x-hop-3"), Some("kept"));
    assert_eq!(head.fields.has("connection"), ctx.upstreams_are_told_to_close());
    assert!(head.fields.list("connection").iter().all(|option| *option == "close"));
}

fn response_fields_keep_order_case_and_duplicates(ctx: &Context) {
    let sent = [
        ("server", "x/1"),
        ("Date", "Thu, 20 Nov 2025 10:38:00 GMT"),
        ("Set-Cookie", "a=b; Path=/"),
        ("X-Dup", "1"),
        ("set-cookie", "c=d"),
        ("x-dup", "2"),
        ("Content-Length", "2"),
        ("X-Empty", ""),
        ("Set-Cookie", "a=b; Path=/"),
    ];
    let lines = sent.iter().fold(String::new(), |all, (name, value)| all + &format!("{name}: {value}\r\n"));
    let backend = Backend::answering(format!("HTTP/1.1 200 OK\r\n{lines}\r\nok"));
    let program = ctx.start(&[backend.addr()], &[]);
    let response = program.client().get("/");
    let got: Vec<_> =
        names(response.fields()).into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("via")).collect();
    assert_eq!(got, sent);
}

fn hop_by_hop_response_fields_are_removed(ctx: &Context) {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: close\r\nTrailer: X-T\r\nUpgrade: h2c\r\nx-hop: 2\r\nX-Kept: 1\r\n\
         Content-Length: 2\r\n\r\nok",
    );
    let program = ctx.start(&[backend.addr()], &[]);
    let response = program.client().get("/");
    for gone in ["x-hop", "keep-alive", "proxy-connection", "trailer", "upgrade", "connection"] {
        assert!(!response.fields().has(gone), "{gone} was forwarded: {:?}", response.fields());
    }
    assert_eq!(response.fields().get("x-kept"), Some("1"));
    assert_eq!(response.text(), "ok");
}

fn a_response_cannot_drop_its_own_framing_headers(ctx: &Context) {
    for (named, framing) in [
        ("Content-Length", "Content-Length: 5\r\n\r\nhello"),
        ("Transfer-Encoding", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let raw = format!("HTTP/1.1 200 OK\r\nConnection: close, {named}\r\n{framing}");
        let backend = Backend::answering(raw);
        let program = ctx.start(&[backend.addr()], &[]);
        let mut client = program.client();
        for _ in 0..2 {
            // Refusing it is as right as re-framing it; losing the end of the body is not.
            let response = client.get("/");
            assert!(response.status() == 502 || response.text() == "hello", "{response:?}");
        }
    }
}

fn our_own_name_in_via_is_a_forwarding_loop(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    assert_eq!(program.client().get("/").status(), 200);
    let via = backend.last_request().0.fields.get("via").expect("a Via").to_owned();
    let name = via.strip_prefix("1.1 ").expect("Via: 1.1 NAME").to_owned();
    assert!(!name.is_empty() && !name.contains([' ', ',']), "{name}");
    let looping = [
        format!("Via: 1.1 {name}\r\n"),
        format!("Via: 1.0 fred, 1.1 {name}, 1.1 other\r\n"),
        format!("Via: 1.0 fred\r\nvia: 1.1 {name} (a comment)\r\n"),
        format!("Via: HTTP/1.1 {name}\r\n"),
    ];
    for field in looping {
        let mut client = program.client();
        client.request("GET", "/loop", &field);
        crate::suites::local_reply::assert_local(&client.response("GET"), 508);
    }
    assert_eq!(backend.connections(), 1, "a looping request is not forwarded");
    for field in [format!("Via: 1.1 {name}x\r\n"), format!("Via: 1.1 x{name}\r\n")] {
        let mut client = program.client();
        client.request("GET", "/", &field);
        assert_eq!(client.response("GET").status(), 200, "{field}");
    }
}

fn the_request_line_is_rebuilt_exactly(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send("GET http://test:81/a%20b?c HTTP/1.1\r\nHost: test:81\r\n\r\n");
    assert_eq!(client.response("GET").status(), 200);
    let seen = backend.recordings();
    assert!(seen[0].bytes.starts_with(b"GET /a%20b?c HTTP/1.1\r\nHost: test:81\r\n"), "{seen:?}");
}
