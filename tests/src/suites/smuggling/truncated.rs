//! Truncated requests: answered with 400, never completed by the balancer.

use crate::Context;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::checker::{ReadError, single_request};
use crate::suites::local_reply::assert_local;
use crate::wait::ms;

cases! { "smuggling";
    Fast a_head_cut_off_by_a_fin_is_answered_400,
    Fast a_connection_closed_before_any_byte_is_closed_silently,
    Fast a_body_cut_off_by_a_fin_is_answered_400_and_not_finished,
    Fast a_body_cut_off_by_a_reset_is_not_finished,
}

const BODIES: &[&str] = &[
    "Content-Length: 10\r\n\r\n",
    "Content-Length: 10\r\n\r\nabcd",
    "Content-Length: 10\r\n\r\nabcdefghi",
    "Content-Length: 18446744073709551615\r\n\r\nabcd",
    "Transfer-Encoding: chunked\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5",
    "Transfer-Encoding: chunked\r\n\r\n5\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r",
    "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nffffffffffffffff\r\nhello",
];

fn a_head_cut_off_by_a_fin_is_answered_400(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let whole = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    for cut in [1, 4, 6, 9, 16, 17, 18, 20, 26, 30, 44, 45, whole.len() - 1] {
        let mut client = program.client();
        client.send(&whole[..cut]);
        client.half_close();
        let response = client.response("POST");
        assert_eq!(response.status(), 400, "cut at {cut}");
        client.expect_closed();
    }
    assert_eq!(backend.total_bytes(), 0);
}

fn a_connection_closed_before_any_byte_is_closed_silently(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.half_close();
    client.expect_closed();
    let mut client = program.client();
    assert_eq!(client.get("/").status(), 200);
    client.half_close();
    client.expect_closed();
    assert_eq!(backend.connections(), 1);
}

fn a_body_cut_off_by_a_fin_is_answered_400_and_not_finished(ctx: &Context) {
    let backend = Backend::start(Conn::read_until_closed);
    let program = ctx.start(&[backend.addr()], &[]);
    for body in BODIES {
        let mut client = program.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{body}"));
        client.half_close();
        assert_local(&client.response("POST"), 400);
        client.expect_closed();
    }
    assert_never_finished(&backend);
}

fn a_body_cut_off_by_a_reset_is_not_finished(ctx: &Context) {
    let backend = Backend::start(Conn::read_until_closed);
    let program = ctx.start(&[backend.addr()], &[]);
    for (turn, body) in BODIES.iter().enumerate() {
        let mut client = program.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{body}"));
        backend.wait_for("the head arrives", |seen| {
            seen.get(turn).is_some_and(|seen| seen.bytes.windows(4).any(|four| four == b"\r\n\r\n"))
        });
        client.reset();
        backend.wait_for("the upstream is closed", |seen| seen[turn].ended);
    }
    assert_never_finished(&backend);
}

fn assert_never_finished(backend: &Backend) {
    assert!(backend.holds_within(ms(5000), |seen| seen.iter().all(|s| s.ended)));
    for seen in backend.recordings() {
        match single_request(&seen.bytes) {
            Err(ReadError::Truncated(_) | ReadError::Closed) => {}
            other => panic!("{} reads as {other:?}", seen.bytes.escape_ascii()),
        }
    }
}
