//! What happens to a connection while it is idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{ADMIN, answer, answering, connections, count, until_open};
use crate::Context;
use crate::admin_client::AdminClient;
use crate::backend::{Backend, RecordedConnection};
use crate::case::cases;
use crate::suites::support::black_hole;
use crate::wait::{ms, pause, until};

cases! { "pooling";
    Fast a_connection_that_ends_while_idle_is_discarded,
    Fast unsolicited_bytes_are_never_relayed_as_a_response,
    Fast bytes_after_a_response_end_its_connection,
    Fast connections_to_a_backend_that_is_removed_close,
    Fast connections_to_a_backend_that_fails_its_checks_close,
    Fast an_unreachable_backend_does_not_delay_the_sweep,
    Fast a_post_reuses_no_connection_that_has_been_idle_for_longer_than_others,
}

fn a_connection_that_ends_while_idle_is_discarded(ctx: &Context) {
    let backend = answering(|conn| {
        answer(conn);
        pause(ms(20));
        conn.close();
    });
    let program = ctx.start(&[backend.addr()], &[&ADMIN[..], &["--workers", "1"]].concat());
    let mut client = program.client();
    assert_eq!(client.get("/").status(), 200);
    until("the sweep finds it", || count(&program, "stale") == 1);
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(count(&program, "hits"), 0);
}

/// A proxy that kept such a connection would relay bytes that arrived while it was idle as the response to the next
/// request.
fn unsolicited_bytes_are_never_relayed_as_a_response(ctx: &Context) {
    let backend = answering(|conn| {
        answer(conn);
        pause(ms(20));
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
    });
    let program = ctx.start(&[backend.addr()], &[&ADMIN[..], &["--workers", "1", "--check", "off"]].concat());
    let mut client = program.client();
    for turn in 1..=5 {
        assert_eq!(client.get("/").text(), "ok");
        pause(ms(100));
        until("it is closed", || connections(&backend).0 == turn || connections(&backend).1 >= turn - 1);
    }
    assert_eq!(count(&program, "hits"), 0);
    assert!(count(&program, "stale") >= 4);
}

fn bytes_after_a_response_end_its_connection(ctx: &Context) {
    let backend = answering(|conn| {
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
    });
    let program = ctx.start(&[backend.addr()], &[&ADMIN[..], &["--workers", "1", "--check", "off"]].concat());
    let mut client = program.client();
    for _ in 0..5 {
        assert_eq!(client.get("/").text(), "ok");
    }
    until_open(&backend, 0);
    assert_eq!((count(&program, "hits"), connections(&backend).0), (0, 5));
}

fn connections_to_a_backend_that_is_removed_close(ctx: &Context) {
    let (stays, leaves) = (answering(answer), answering(answer));
    let flags = [&ADMIN[..], &["--workers", "2", "--check", "off"]].concat();
    let program = ctx.start(&[stays.addr(), leaves.addr()], &flags);
    let mut client = program.client();
    for _ in 0..4 {
        assert_eq!(client.get("/").status(), 200);
    }
    until_open(&leaves, 1);
    AdminClient::of(&program).remove(leaves.addr());
    until_open(&leaves, 0);
    assert_eq!(count(&program, "backend_unavailable"), 1);
    assert_eq!(connections(&stays), (1, 0));
}

/// As if packets were dropped: nothing closes the idle connection, but checks are no longer answered.
fn connections_to_a_backend_that_fails_its_checks_close(ctx: &Context) {
    let is_silent = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&is_silent);
    let backend = Backend::start(move |conn| {
        while conn.request().is_ok() {
            if heard.load(Ordering::SeqCst) {
                return conn.read_until_closed();
            }
            answer(conn);
        }
    });
    let flags = [&ADMIN[..], &["--workers", "2", "--check", "http:/health,interval=50ms,timeout=200ms"]].concat();
    let program = ctx.start(&[backend.addr()], &flags);
    assert_eq!(program.client().get("/").status(), 200);
    let rests = |seen: &RecordedConnection| seen.bytes.starts_with(b"GET / ") && !seen.ended;
    assert!(backend.recordings().iter().any(rests));
    is_silent.store(true, Ordering::SeqCst);
    backend.wait_for("the idle connection is closed", |seen| !seen.iter().any(rests));
    until("it is counted", || count(&program, "backend_unavailable") == 1);
}

/// A warm-up connect gets no answer. Idle connections are checked all the same.
fn an_unreachable_backend_does_not_delay_the_sweep(ctx: &Context) {
    let hole = black_hole();
    let backend = answering(|conn| {
        answer(conn);
        pause(ms(20));
        conn.close();
    });
    let flags = ["--workers", "1", "--check", "off", "--warm-up", "1", "--connect-timeout", "1h"];
    let program = ctx.start(&[hole.addr, backend.addr()], &[&ADMIN[..], &flags].concat());
    AdminClient::of(&program).set_weight(hole.addr, 0);
    assert_eq!(program.client().get("/").status(), 200);
    until("the sweep finds the closed connection", || count(&program, "stale") >= 1);
}

/// The backend's FIN may be on the way. A GET would be retried then; a POST must not be.
fn a_post_reuses_no_connection_that_has_been_idle_for_longer_than_others(ctx: &Context) {
    let backend = answering(answer);
    let program = ctx.start(&[backend.addr()], &[&ADMIN[..], &["--workers", "1", "--check", "off"]].concat());
    let mut client = program.client();
    let post = |client: &mut crate::client::Client| {
        client.request("POST", "/", "Content-Length: 2\r\n");
        client.send("hi");
        assert_eq!(client.response("POST").status(), 200);
        connections(&backend).0
    };
    let all = until_steady(&mut || post(&mut client));
    pause(ms(700));
    assert_eq!(post(&mut client), all + 1, "none had been idle for 700 ms");
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(connections(&backend).0, all + 1, "a GET may use any");
    assert_eq!(count(&program, "stale"), 0);
}

/// Repeats `request`, which returns the number of connections, until that stays the same for a while.
fn until_steady(request: &mut dyn FnMut() -> usize) -> usize {
    let (mut same, mut before) = (0, 0);
    until("no request needs another connection", || {
        let now = request();
        same = if now == before { same + 1 } else { 0 };
        before = now;
        same == 20
    });
    before
}
