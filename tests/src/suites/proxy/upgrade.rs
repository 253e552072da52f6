//! WebSocket upgrades and no others: the tunnel begins with the 101 and loses no byte in either direction.

use crate::Context;
use crate::backend::{Backend, Conn, ok_response};
use crate::case::cases;
use crate::rng::Rng;
use crate::third_party::expect_websocket_echo;
use crate::wait::{TEST_TIMEOUT, ms};

cases! { "proxy";
    Fast websocket_messages_are_echoed_by_a_real_backend,
    Fast a_tunnel_begins_with_the_101_and_keeps_early_bytes,
    Fast a_tunnel_carries_a_megabyte_both_ways_at_once,
    Fast a_half_closed_tunnel_still_answers,
    Fast a_tunnel_half_closed_by_the_backend_still_listens,
    Fast a_refused_upgrade_is_an_ordinary_response,
    Fast other_upgrades_are_stripped,
    Fast a_request_with_a_body_is_forwarded_without_its_upgrade,
    Fast a_426_keeps_its_upgrade,
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Accepts the upgrade, sends `early` in the same segment, and echoes until the end.
fn echo(conn: &mut Conn, early: &str) {
    let Ok(head) = conn.head() else { return };
    assert_eq!(head.fields.list("upgrade"), ["websocket"]);
    assert_eq!(head.fields.list("connection"), ["upgrade"]);
    conn.write(format!("{SWITCH}{early}"));
    loop {
        let arrived = conn.reader().take_buffered();
        conn.write(arrived);
        if !matches!(conn.reader().fill(), Ok(1..)) {
            return;
        }
    }
}

fn websocket_messages_are_echoed_by_a_real_backend(ctx: &Context) {
    let program = ctx.start_bundled(&[]);
    expect_websocket_echo(program.addr());
}

fn a_tunnel_begins_with_the_101_and_keeps_early_bytes(ctx: &Context) {
    let backend = Backend::start(|conn| echo(conn, "EARLY"));
    let program = ctx.start(&[backend.addr()], &[]);
    for upgrade in [UPGRADE.to_owned(), UPGRADE.replace("websocket", "WebSocket")] {
        let mut client = program.client();
        client.send(format!("{upgrade}\0\r\n\r\nearly"));
        let (_, head, _) = client.response_head("GET").unwrap();
        assert_eq!(head.status, 101);
        assert_eq!(head.fields.list("upgrade"), ["websocket"]);
        assert_eq!(head.fields.list("connection"), ["upgrade"]);
        let accept = head.fields.get("sec-websocket-accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(client.read_exact(15), b"EARLY\0\r\n\r\nearly");
        client.send(b"GET / HTTP/1.1\r\n\r\n\xff\0");
        assert_eq!(client.read_exact(20), b"GET / HTTP/1.1\r\n\r\n\xff\0");
    }
}

fn a_tunnel_carries_a_megabyte_both_ways_at_once(ctx: &Context) {
    let backend = Backend::start(|conn| echo(conn, ""));
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send(UPGRADE);
    assert_eq!(client.response_head("GET").unwrap().1.status, 101);
    let sent = Rng::new(5).bytes(1 << 20);
    let (mut writer, bytes) = (client.stream(), sent.clone());
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
    let got = client.read_exact(sent.len());
    assert!(got == sent, "the echo differs");
    writing.join().unwrap().unwrap();
}

fn a_half_closed_tunnel_still_answers(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.head().is_ok() {
            conn.write(SWITCH);
            conn.read_until_closed();
            conn.write("the last word");
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send(UPGRADE);
    assert_eq!(client.response_head("GET").unwrap().1.status, 101);
    client.send("over");
    client.half_close();
    assert_eq!(client.read_until_closed(TEST_TIMEOUT).as_deref(), Some(&b"the last word"[..]));
    assert!(backend.recordings()[0].bytes.ends_with(b"over"));
}

fn a_tunnel_half_closed_by_the_backend_still_listens(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.head().is_ok() {
            conn.write(format!("{SWITCH}bye"));
            conn.half_close();
            conn.read_until_closed();
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send(UPGRADE);
    assert_eq!(client.response_head("GET").unwrap().1.status, 101);
    assert_eq!(client.read_until_closed(TEST_TIMEOUT).as_deref(), Some(&b"bye"[..]));
    client.send("heard after the FIN");
    backend.wait_for("bytes after its FIN", |seen| seen[0].bytes.ends_with(b"heard after the FIN"));
    client.half_close();
    backend.wait_for("the end", |seen| seen[0].ended);
}

fn a_refused_upgrade_is_an_ordinary_response(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if let Ok(request) = conn.request() {
            conn.write(ok_response(&request.head.target));
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send(format!("{UPGRADE}GET /second HTTP/1.1\r\nHost: a\r\n\r\n"));
    let response = client.response("GET");
    assert_eq!((response.status(), response.text().as_str()), (200, "/ws"));
    // What followed was a pipelined request.
    assert_eq!(client.response("GET").text(), "/second");
    client.expect_no_input(ms(30));
}

fn other_upgrades_are_stripped(ctx: &Context) {
    let backend = Backend::ok("plain");
    let program = ctx.start(&[backend.addr()], &[]);
    let ws = "Upgrade: websocket\r\nConnection: upgrade\r\n";
    let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n".to_owned(),
        format!("POST / HTTP/1.1\r\nHost: a\r\n{ws}\r\n"),
        format!("GET / HTTP/1.0\r\nHost: a\r\n{ws}\r\n"),
    ];
    for request in requests {
        let mut client = program.client();
        client.send(&request);
        assert_eq!(client.response("GET").text(), "plain", "{request}");
        let (head, _) = backend.last_request();
        assert!(!head.fields.has("upgrade"), "{request}: {:?}", head.fields);
        assert!(!head.fields.has("http2-settings"), "{request}: {:?}", head.fields);
        let told: &[&str] = if ctx.upstreams_are_told_to_close() { &["close"] } else { &[] };
        assert_eq!(head.fields.list("connection"), told, "{request}");
    }
}

fn a_request_with_a_body_is_forwarded_without_its_upgrade(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if let Ok(request) = conn.request() {
            conn.write(ok_response(&String::from_utf8_lossy(&request.body)));
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        let mut client = program.client();
        client.send(UPGRADE.replace("\r\n\r\n", &format!("\r\n{body}")));
        assert_eq!(client.response("GET").text(), "hello", "{body}");
        let (head, _) = backend.last_request();
        assert!(!head.fields.has("upgrade"), "{body}: {:?}", head.fields);
        // The connection goes on as HTTP.
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nagain");
        assert_eq!(client.response("POST").text(), "again", "{body}");
    }
}

fn a_426_keeps_its_upgrade(ctx: &Context) {
    let backend = Backend::answering(
        "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade, close\r\nUpgrade: HTTP/3.0, TLS/1.2\r\n\
         Content-Length: 2\r\n\r\nno",
    );
    let program = ctx.start(&[backend.addr()], &[]);
    for (request_field, options) in [("", &["upgrade"][..]), ("Connection: close\r\n", &["upgrade", "close"])] {
        let mut client = program.client();
        client.request("GET", "/", request_field);
        let response = client.response("GET");
        assert_eq!((response.status(), response.text().as_str()), (426, "no"));
        assert_eq!(response.fields().list("upgrade"), ["http/3.0", "tls/1.2"]);
        assert_eq!(response.fields().list("connection"), options);
    }
}
