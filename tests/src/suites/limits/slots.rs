//! Exactly as many concurrent requests as the limit allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::{GatedBackend, queue_request, run_in_parallel, wait_until_idle};
use crate::Context;
use crate::backend::{Backend, Conn, ok_response};
use crate::case::cases;
use crate::suites::local_reply;
use crate::wait::{ms, pause, until};

cases! { "limits";
    Fast a_backend_never_sees_more_than_its_limit,
    Fast a_keep_alive_backend_never_sees_more_than_its_limit,
    Fast a_full_backend_is_skipped,
    Fast a_client_that_disconnects_releases_its_slot,
    Fast a_backend_that_fails_releases_the_slot,
    Full sixty_four_clients_are_served_for_long,
}

/// Counts its concurrent requests, and remembers the maximum. A request ends before its response is sent, so the
/// count never lags behind the balancer's.
struct Concurrency {
    now: AtomicUsize,
    most: AtomicUsize,
}

fn counting_backend(alive: bool) -> (Backend, Arc<Concurrency>) {
    let concurrency = Arc::new(Concurrency { now: AtomicUsize::new(0), most: AtomicUsize::new(0) });
    let counted = Arc::clone(&concurrency);
    let answer = String::from_utf8(ok_response("ok")).unwrap();
    let answer = if alive { answer.replace("Connection: close\r\n", "") } else { answer };
    let backend = Backend::start(move |conn: &mut Conn| {
        while conn.request().is_ok() {
            let now = counted.now.fetch_add(1, SeqCst) + 1;
            counted.most.fetch_max(now, SeqCst);
            pause(ms(3));
            counted.now.fetch_sub(1, SeqCst);
            if !conn.write(&answer) || !alive {
                return;
            }
        }
    });
    (backend, concurrency)
}

pub(super) fn sixty_four_clients(ctx: &Context, alive: bool, each: usize, flags: &[&str]) {
    let (backend, concurrency) = counting_backend(alive);
    let flags = [&["--max-connections", "10", "--queue-timeout", "60s"], flags].concat();
    let program = ctx.start(&[backend.addr()], &flags);
    run_in_parallel(64, |_| {
        let mut client = program.client();
        for turn in 0..each {
            let response = client.get("/");
            assert_eq!(response.status(), 200, "request {turn}: {response:?}");
        }
    });
    assert_eq!(concurrency.most.load(SeqCst), 10, "the maximum of concurrent requests");
}

fn a_backend_never_sees_more_than_its_limit(ctx: &Context) {
    sixty_four_clients(ctx, false, 10, &[]);
}

fn a_keep_alive_backend_never_sees_more_than_its_limit(ctx: &Context) {
    sixty_four_clients(ctx, true, 10, &[]);
}

fn sixty_four_clients_are_served_for_long(ctx: &Context) {
    sixty_four_clients(ctx, true, 300, &[]);
}

fn a_full_backend_is_skipped(ctx: &Context) {
    let (slow, quick) = (GatedBackend::start(), Backend::ok("quick"));
    let program = ctx.start(&[slow.backend.addr(), quick.addr()], &["--max-connections", "1"]);
    let mut held = queue_request(&program, "/0");
    until("one of them gets the request", || !slow.requests().is_empty() || quick.connections() > 0);
    let mut client = program.client();
    if slow.requests().is_empty() {
        assert_eq!(held.response("GET").text(), "quick");
        held.request("GET", "/0", "");
        wait_until_idle(&program);
    }
    slow.wait_for_requests(&["/0"]);
    for _ in 0..10 {
        assert_eq!(client.get("/").text(), "quick");
    }
    slow.gate.open(1);
    assert_eq!(held.response("GET").status(), 200);
}

fn a_client_that_disconnects_releases_its_slot(ctx: &Context) {
    let gated = GatedBackend::start();
    let program = ctx.start(&[gated.backend.addr()], &["--max-connections", "1", "--queue-timeout", "60s"]);
    let leaves = queue_request(&program, "/0");
    gated.wait_for_requests(&["/0"]);
    let mut waits = queue_request(&program, "/1");
    leaves.reset();
    gated.wait_for_requests(&["/0", "/1"]);
    gated.gate.open(2);
    assert_eq!(waits.response("GET").status(), 200);
}

fn a_backend_that_fails_releases_the_slot(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        match request.head.target.as_str() {
            "/reset" => conn.reset(),
            "/garbage" => drop(conn.write("nonsense\r\n\r\n")),
            "/short" => drop(conn.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")),
            "/silent" => conn.read_until_closed(),
            _ => drop(conn.write(ok_response("ok"))),
        }
    });
    let flags = ["--max-connections", "1", "--queue-timeout", "10s", "--first-byte-timeout", "100ms"];
    let program = ctx.start(&[backend.addr()], &flags);
    for target in ["/reset", "/garbage", "/short", "/silent"] {
        for _ in 0..3 {
            let mut client = program.client();
            client.request("POST", target, "Content-Length: 0\r\n");
            if target == "/short" {
                assert!(client.try_response("POST").is_err(), "a truncated response passes for a complete one");
            } else {
                let response = client.response("POST");
                assert!(matches!(response.status(), 502 | 504), "{target}: {response:?}");
                local_reply::check(&response).unwrap();
            }
        }
        assert_eq!(program.client().get("/").text(), "ok", "after {target}");
    }
}
