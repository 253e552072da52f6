//! Requests that cannot be forwarded, and the local reply with its reason.

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::suites::local_reply::assert_local;
use crate::suites::support::{black_hole, reserved_port};
use crate::wait::{TEST_TIMEOUT, ms};

use super::{ask, connect, start};

cases! { "forward";
    Fast a_request_without_a_destination_is_400,
    Fast connect_needs_a_port_and_no_body,
    Fast a_destination_that_does_not_resolve_is_502,
    Fast a_destination_that_does_not_respond_is_502_or_504_and_no_tunnel,
    Fast a_request_to_the_proxy_itself_is_caught,
}

fn a_request_without_a_destination_is_400(ctx: &Context) {
    let program = start(ctx, &[]);
    for line in [
        "GET / HTTP/1.1",
        "GET https://127.0.0.1:1/ HTTP/1.1",
        "GET ftp://127.0.0.1/ HTTP/1.1",
        "GET 127.0.0.1:1 HTTP/1.1",
        "GET http:///x HTTP/1.1",
        "GET http://:80/ HTTP/1.1",
        "GET http://127.0.0.1:0/ HTTP/1.1",
        "GET http://127.0.0.1:65536/ HTTP/1.1",
        "GET http://user:secret@127.0.0.1/ HTTP/1.1",
        "OPTIONS * HTTP/1.1",
    ] {
        let mut client = program.client();
        client.send(format!("{line}\r\nHost: 127.0.0.1\r\n\r\n"));
        let response = client.response("GET");
        assert_eq!(response.status(), 400, "{line}");
        assert_local(&response, 400);
    }
}

fn connect_needs_a_port_and_no_body(ctx: &Context) {
    let (program, backend) = (start(ctx, &[]), Backend::ok("never"));
    let at = backend.addr();
    for (target, extra) in [
        ("127.0.0.1".to_owned(), ""),
        ("127.0.0.1:".to_owned(), ""),
        ("127.0.0.1:0".to_owned(), ""),
        ("127.0.0.1:x".to_owned(), ""),
        ("[::1]".to_owned(), ""),
        (format!("http://{at}/"), ""),
        ("/".to_owned(), ""),
        (at.to_string(), "Content-Length: 3\r\n"),
        (at.to_string(), "Transfer-Encoding: chunked\r\n"),
    ] {
        let mut client = program.client();
        client.send(format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n{extra}\r\nabc"));
        let response = client.response("GET");
        assert_eq!(response.status(), 400, "{target} {extra}");
        assert_local(&response, 400);
        client.expect_closed();
    }
    assert_eq!(backend.connections(), 0);
}

fn a_destination_that_does_not_resolve_is_502(ctx: &Context) {
    let program = start(ctx, &[]);
    let mut client = program.client();
    client.set_read_timeout(4 * TEST_TIMEOUT); // the resolver has its own timeout
    assert_local(&ask(&mut client, "GET", "http://no-such-host.invalid/", ""), 502);
    assert_local(&ask(&mut client, "GET", "http://a%20b/", ""), 502);
    assert_local(&ask(&mut client, "CONNECT", "no-such-host.invalid:443", ""), 502);
    client.expect_closed();
}

fn a_destination_that_does_not_respond_is_502_or_504_and_no_tunnel(ctx: &Context) {
    let program = start(ctx, &["--connect-timeout", "500ms"]);
    let (dead, silent) = (reserved_port(), black_hole());
    for (address, status) in [(dead.addr, 502), (silent.addr, 504)] {
        assert_local(&ask(&mut program.client(), "GET", &format!("http://{address}/"), ""), status);
        let mut client = program.client();
        client.send(format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\nahead"));
        let answer = client.read_until_closed(TEST_TIMEOUT).expect("the connection is closed");
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")) && !text.contains("HTTP/1.1 200"), "{text}");
    }
}

fn a_request_to_the_proxy_itself_is_caught(ctx: &Context) {
    let (program, backend) = (start(ctx, &[]), Backend::ok("ok"));
    let own = program.addr();
    for at in [own.to_string(), format!("0.0.0.0:{}", own.port()), format!("[::ffff:127.0.0.1]:{}", own.port())] {
        assert_local(&ask(&mut program.client(), "GET", &format!("http://{at}/"), ""), 508);
        assert_local(&ask(&mut program.client(), "CONNECT", &at, ""), 403);
    }
    // Once around through another proxy: our own name in Via.
    let url = format!("http://{}/", backend.addr());
    assert_eq!(ask(&mut program.client(), "GET", &url, "").status(), 200);
    let via = backend.last_request().0.fields.get("via").unwrap().to_owned();
    assert_local(&ask(&mut program.client(), "GET", &url, &format!("Via: 1.1 other, {via}\r\n")), 508);
    assert_eq!(backend.connections(), 1);
    let mut client = program.client();
    assert_eq!(connect(&mut client, backend.addr()), 200, "the proxy cannot see into a tunnel");
    client.expect_no_input(ms(30));
}
