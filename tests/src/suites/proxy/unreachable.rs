//! Local replies when the backend does not answer: well-formed, complete, and honest about the connection.

use std::net::SocketAddr;

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::client::{Client, Response};
use crate::suites::local_reply;
use crate::suites::support::reserved_port;
use crate::wait::ms;

cases! { "proxy";
    Fast a_refused_connect_is_502,
    Fast a_head_request_gets_a_local_reply_without_a_body,
    Fast a_backend_that_closes_or_resets_without_a_response_is_502,
    Fast a_local_reply_says_whether_the_connection_stays_open,
    Fast a_large_upload_without_a_backend_is_still_answered,
}

/// 502, or 503 once every backend is known to be down.
fn assert_unreachable(response: &Response) {
    assert!(matches!(response.status(), 502 | 503), "{response:?}");
    local_reply::check(response).unwrap();
}

fn a_refused_connect_is_502(ctx: &Context) {
    let nobody = reserved_port();
    let program = ctx.start(&[nobody.addr], &[]);
    let mut client = program.client();
    let first = client.get("/");
    local_reply::assert_local(&first, 502);
    for _ in 0..5 {
        assert_unreachable(&client.get("/"));
    }
    client.expect_no_input(ms(30));
}

fn a_head_request_gets_a_local_reply_without_a_body(ctx: &Context) {
    let nobody = reserved_port();
    let program = ctx.start(&[nobody.addr], &[]);
    let mut client = program.client();
    for _ in 0..3 {
        client.request("HEAD", "/", "");
        let response = client.response("HEAD");
        assert!(matches!(response.status(), 502 | 503), "{response:?}");
        assert_eq!(response.fields().all("date").len(), 1);
        client.expect_no_input(ms(30));
    }
}

fn a_backend_that_closes_or_resets_without_a_response_is_502(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        match request.head.target.as_str() {
            "/close" => conn.close(),
            "/reset" => conn.reset(),
            _ => _ = conn.write(ok_response("back")),
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for target in ["/close", "/reset", "/close"] {
        for (method, extra) in [("GET", ""), ("POST", "Content-Length: 0\r\n")] {
            client.request(method, target, extra);
            local_reply::assert_local(&client.response(method), 502);
        }
    }
    assert_eq!(client.get("/fine").text(), "back");
}

fn a_local_reply_says_whether_the_connection_stays_open(ctx: &Context) {
    let nobody = reserved_port();
    let program = ctx.start(&[nobody.addr], &[]);
    let bodies = [
        "Content-Length: 5\r\n\r\nhello".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
        format!("Content-Length: 100000\r\n\r\n{}", "x".repeat(100_000)),
        "Content-Length: 10\r\n\r\nhello".to_owned(),
        "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n".to_owned(),
    ];
    for body in bodies {
        let mut client = program.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{body}"));
        let response = client.response("POST");
        assert_unreachable(&response);
        if response.head.says_close() {
            client.expect_closed();
        } else {
            // Kept open: then the request must have been read whole, and the next one is answered.
            assert_unreachable(&client.get("/next"));
        }
    }
}

fn a_large_upload_without_a_backend_is_still_answered(ctx: &Context) {
    let nobody = reserved_port();
    let program = ctx.start(&[nobody.addr], &[]);
    for size in [100_000, 1 << 20] {
        let mut client = Client::connect(program.addr());
        upload(&mut client, program.addr(), size);
        assert_unreachable(&client.response("POST"));
    }
}

/// Sends a request with a body until the peer stops reading, as a simple client does.
fn upload(client: &mut Client, addr: SocketAddr, size: usize) {
    client.send(format!("POST / HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {size}\r\n\r\n"));
    for piece in vec![b'x'; size].chunks(16 * 1024) {
        if client.try_send(piece).is_err() {
            return;
        }
    }
}
