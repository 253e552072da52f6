//! Timeouts: no stalled peer holds a connection for ever, and no peer that makes progress is cut off.

use std::time::Instant;

use crate::Context;
use crate::backend::{Backend, Conn, ok_response};
use crate::case::cases;
use crate::checker::{ReadError, single_request};
use crate::suites::local_reply::{self, assert_local};
use crate::suites::support::black_hole;
use crate::wait::{ms, pause};

cases! { "robustness";
    Slow a_slow_head_gets_408_at_an_absolute_deadline,
    Fast an_idle_connection_is_closed_silently,
    Fast a_stalled_body_gets_408_and_is_not_finished,
    Fast a_slow_body_that_makes_progress_is_served,
    Fast a_slow_head_within_the_deadline_is_served,
    Fast a_backend_without_a_first_byte_is_504,
    Fast a_backend_that_stalls_in_its_head_is_a_gateway_error,
    Fast a_connect_timeout_is_a_gateway_error,
    Fast a_stalled_response_is_truncated,
    Fast a_stream_may_be_silent_for_longer_than_a_body,
    Fast a_slow_response_that_makes_progress_is_served,
    Fast an_idle_tunnel_is_closed,
}

fn a_slow_head_gets_408_at_an_absolute_deadline(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &["--head-timeout", "1s", "--idle-timeout", "30s"]);
    for start in ["GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", "G"] {
        let mut client = program.client();
        client.send(start);
        // A byte every 100 ms for 8 s: a deadline that each byte extends would never fire.
        let mut writer = client.stream();
        let began = Instant::now();
        let dripping = std::thread::spawn(move || {
            (0..80).all(|_| {
                pause(ms(100));
                std::io::Write::write_all(&mut writer, b"x").is_ok()
            })
        });
        assert_local(&client.response("GET"), 408);
        let took = began.elapsed();
        client.expect_closed();
        drop(client);
        assert!(took >= ms(700), "408 after {took:?}");
        assert!(took < ms(6000), "each byte extends the deadline: {took:?}");
        dripping.join().unwrap();
    }
    assert_eq!(backend.connections(), 0);
}

fn an_idle_connection_is_closed_silently(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &["--idle-timeout", "1s"]);
    let mut fresh = program.client();
    let mut used = program.client();
    assert_eq!(used.get("/").status(), 200);
    let began = Instant::now();
    fresh.expect_closed();
    used.expect_closed();
    assert!(began.elapsed() >= ms(500), "closed after {:?}", began.elapsed());
    // Requests within the timeout keep it open for longer than the timeout.
    let mut busy = program.client();
    for _ in 0..6 {
        assert_eq!(busy.get("/").status(), 200);
        pause(ms(300));
    }
}

fn a_stalled_body_gets_408_and_is_not_finished(ctx: &Context) {
    let backend = Backend::start(Conn::read_until_closed);
    let program = ctx.start(&[backend.addr()], &["--body-timeout", "1s"]);
    for body in ["Content-Length: 10\r\n\r\nabcd", "Transfer-Encoding: chunked\r\n\r\n5\r\nab"] {
        let mut client = program.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{body}"));
        assert_local(&client.response("POST"), 408);
        client.expect_closed();
    }
    backend.wait_for("the upstreams are closed", |seen| seen.iter().all(|s| s.ended));
    for seen in backend.recordings() {
        assert!(matches!(single_request(&seen.bytes), Err(ReadError::Truncated(_) | ReadError::Closed)));
    }
}

fn a_slow_body_that_makes_progress_is_served(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &["--body-timeout", "2s", "--head-timeout", "2s"]);
    let mut client = program.client();
    client.request("POST", "/", "Content-Length: 10\r\n");
    // 4 s in all, never 2 s without a byte.
    client.send_pieces(b"0123456789".chunks(1), ms(400));
    assert_eq!(client.response("POST").status(), 200);
    assert_eq!(backend.last_request().1, b"0123456789");
}

fn a_slow_head_within_the_deadline_is_served(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for _ in 0..2 {
        client.send_pieces(b"GET /drip HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n".chunks(1), ms(20));
        assert_eq!(client.response("GET").status(), 200);
        assert_eq!(backend.last_request().0.target, "/drip");
    }
}

fn a_backend_without_a_first_byte_is_504(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        match request.head.target.as_str() {
            "/silent" => conn.read_until_closed(),
            _ => _ = conn.write(ok_response("quick")),
        }
    });
    let program = ctx.start(&[backend.addr()], &["--first-byte-timeout", "1s"]);
    let mut client = program.client();
    for target in ["/silent", "/silent"] {
        let response = client.get(target);
        assert_local(&response, 504);
        assert!(!response.head.says_close(), "{response:?}");
        assert_eq!(client.get("/quick").text(), "quick", "the connection stays open");
    }
    backend.wait_for("the upstreams are closed", |seen| seen.iter().step_by(2).all(|s| s.ended));
}

fn a_backend_that_stalls_in_its_head_is_a_gateway_error(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.request().is_ok() {
            conn.write("HTTP/1.1 200 OK\r\nContent-Le");
            conn.read_until_closed();
        }
    });
    let flags = ["--first-byte-timeout", "1s", "--stream-timeout", "1s"];
    let program = ctx.start(&[backend.addr()], &flags);
    let response = program.client().get("/");
    assert!(matches!(response.status(), 502 | 504), "{response:?}");
    local_reply::check(&response).unwrap();
    backend.wait_for("the upstream is closed", |seen| seen[0].ended);
}

fn a_connect_timeout_is_a_gateway_error(ctx: &Context) {
    let hole = black_hole();
    let program = ctx.start(&[hole.addr], &["--connect-timeout", "700ms"]);
    let began = Instant::now();
    let response = program.client().get("/");
    assert!(began.elapsed() >= ms(400), "{:?}", began.elapsed());
    // With several backends "all failed" is as correct as "timed out".
    assert!(matches!(response.status(), 502 | 504), "{response:?}");
    local_reply::check(&response).unwrap();
}

fn a_stalled_response_is_truncated(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        conn.write(match request.head.target.as_str() {
            "/length" => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        });
        conn.read_until_closed();
    });
    // Each has its own timeout, a length the shorter one; the default of the other would let it wait for minutes.
    for (target, flags) in [("/length", ["--body-timeout", "1s"]), ("/chunked", ["--stream-timeout", "1s"])] {
        let program = ctx.start(&[backend.addr()], &flags);
        let mut client = program.client();
        client.request("GET", target, "");
        let outcome = client.try_response("GET");
        assert!(matches!(outcome, Err(ReadError::Truncated(_) | ReadError::Reset)), "{outcome:?}");
    }
    backend.wait_for("the upstreams are closed", |seen| seen.iter().all(|s| s.ended));
}

/// An event may come after a long silence.
fn a_stream_may_be_silent_for_longer_than_a_body(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.request().is_ok() {
            conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nan\r\n");
            pause(ms(1_500));
            conn.write("5\r\nevent\r\n0\r\n\r\n");
        }
    });
    let program = ctx.start(&[backend.addr()], &["--body-timeout", "500ms"]);
    assert_eq!(program.client().get("/").text(), "anevent");
}

fn a_slow_response_that_makes_progress_is_served(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.request().is_ok() {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
            for byte in b"0123456789".chunks(1) {
                pause(ms(400));
                conn.write(byte);
            }
        }
    });
    let flags = ["--stream-timeout", "2s", "--first-byte-timeout", "2s", "--body-timeout", "2s"];
    let program = ctx.start(&[backend.addr()], &flags);
    assert_eq!(program.client().get("/").text(), "0123456789");
}

fn an_idle_tunnel_is_closed(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.head().is_ok() {
            conn.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
            conn.read_until_closed();
        }
    });
    let program = ctx.start(&[backend.addr()], &["--tunnel-timeout", "1s"]);
    let mut client = program.client();
    client.request("GET", "/", "Connection: upgrade\r\nUpgrade: websocket\r\n");
    assert_eq!(client.response_head("GET").unwrap().1.status, 101);
    client.expect_closed();
    backend.wait_for("the upstream is closed", |seen| seen[0].ended);
}
