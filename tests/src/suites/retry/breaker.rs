//! The circuit breaker of a group that fails: it opens, and one half-open probe decides whether it closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::client::{Client, Response};
use crate::suites::local_reply;
use crate::suites::support::{logged, reserved_port};
use crate::wait::{TEST_TIMEOUT, eventually, ms, until};

cases! { "retry";
    Fast the_breaker_opens_at_half_of_twenty_and_not_before,
    Fast an_applications_500_opens_the_breaker_only_where_asked_for,
    Slow one_half_open_probe_decides_whether_the_breaker_closes,
    Slow a_probe_whose_client_resets_decides_nothing,
    Fast clients_that_leave_do_not_hide_a_failing_group,
    Fast all_dead_is_a_503_at_once,
}

const FAILURE: &str = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The seconds of `Retry-After` in a 503 that is a local reply.
fn retry_after(response: &Response) -> u64 {
    local_reply::assert_local(response, 503);
    let fields = response.fields().all("retry-after");
    assert_eq!(fields.len(), 1, "{response:?}");
    fields[0].parse().expect("seconds")
}

/// Fails requests until the breaker opens; panics if that happens before the 20th.
fn open(client: &mut Client) {
    for turn in 0..20 {
        assert_eq!(client.get("/").status(), 502, "turn {turn}");
    }
    assert!((1..=10).contains(&retry_after(&client.get("/"))));
}

fn the_breaker_opens_at_half_of_twenty_and_not_before(ctx: &Context) {
    let backends = [Backend::answering(FAILURE), Backend::answering(FAILURE)];
    let program = ctx.start(&backends.each_ref().map(Backend::addr), &["--breaker", "50"]);
    let mut client = program.client();
    open(&mut client);
    let began = Instant::now();
    for _ in 0..50 {
        assert!((1..=10).contains(&retry_after(&client.get("/"))));
    }
    if began.elapsed() < Duration::from_secs(8) {
        assert_eq!(backends.iter().map(Backend::connections).sum::<usize>(), 20, "an open breaker sends nothing");
    }
    until("the open breaker is logged", || {
        program.stderr().contains("circuit breaker open (20 of 20 requests failed), next probe in 10 s")
    });
}

fn an_applications_500_opens_the_breaker_only_where_asked_for(ctx: &Context) {
    let error = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let backend = Backend::answering(error);
    let flags = ["--breaker", "50", "--eject-after", "0"];
    let program = ctx.start(&[backend.addr()], &flags);
    let mut client = program.client();
    (0..30).for_each(|turn| assert_eq!(client.get("/").status(), 500, "turn {turn}"));
    let program = ctx.start(&[backend.addr()], &[&flags[..], &["--eject-on", "500"]].concat());
    let mut client = program.client();
    (0..20).for_each(|turn| assert_eq!(client.get("/").status(), 500, "turn {turn}"));
    assert!((1..=10).contains(&retry_after(&client.get("/"))));
}

/// A backend that fails its first twenty requests, and holds later ones until `recovered` is set.
fn recovering(recovered: &Arc<AtomicBool>) -> Backend {
    let recovered = Arc::clone(recovered);
    Backend::start(move |conn| {
        let index = conn.index;
        if conn.request().is_err() {
            return;
        }
        if index < 20 {
            conn.write(FAILURE);
            return;
        }
        eventually(TEST_TIMEOUT, || recovered.load(Ordering::SeqCst).then_some(()));
        conn.write(ok_response("recovered"));
    })
}

/// Sends requests until one is admitted, which is the `connections`th connection of the backend, and is held by it.
fn probe_until_held(probe: &mut Client, backend: &Backend, connections: usize) {
    // Rejected until the ten seconds are over; then the backend holds this request.
    let probing = eventually(Duration::from_secs(20), || {
        probe.request("GET", "/", "");
        probe.set_read_timeout(ms(1_000));
        let answered = probe.reader().fill();
        probe.set_read_timeout(TEST_TIMEOUT);
        // A second without a response may also mean that the machine is busy.
        if answered.is_err() && backend.connections() == connections {
            return Some(());
        }
        retry_after(&probe.response("GET"));
        None
    });
    probing.expect("the half-open breaker lets one through");
}

/// The client of the probe leaves while the backend still holds it: the next request becomes the probe.
fn a_probe_whose_client_resets_decides_nothing(ctx: &Context) {
    let let_go = Arc::new(AtomicBool::new(false));
    let backend = recovering(&let_go);
    let program = ctx.start(&[backend.addr()], &["--breaker", "50"]);
    open(&mut program.client());
    let mut leaving = program.client();
    probe_until_held(&mut leaving, &backend, 21);
    retry_after(&program.client().get("/"));
    leaving.reset();
    let mut next = program.client();
    probe_until_held(&mut next, &backend, 22);
    for _ in 0..5 {
        retry_after(&program.client().get("/"));
    }
    assert_eq!(backend.connections(), 22, "the breaker is still half-open");
    assert!(!program.stderr().contains("circuit breaker closed"), "{}", program.stderr());
    let_go.store(true, Ordering::SeqCst);
    assert_eq!(next.response("GET").text(), "recovered");
    until("the probe that was answered closes the breaker", || program.stderr().contains("circuit breaker closed"));
}

/// Requests that their clients give up count neither as failures nor as successes.
fn clients_that_leave_do_not_hide_a_failing_group(ctx: &Context) {
    let backend = Backend::start(|conn| {
        while let Ok(request) = conn.request() {
            if request.head.target == "/hang" {
                return conn.read_until_closed();
            }
            conn.write("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let program = ctx.start(&[backend.addr()], &["--breaker", "50", "--log-requests"]);
    for left in 1..=25 {
        let mut client = program.client();
        client.request("GET", "/hang", "");
        until("the backend has the request", || backend.connections() >= left);
        client.reset();
    }
    until("the resets are recorded", || logged(&program, "GET", 499) == 25);
    open(&mut program.client());
}

fn one_half_open_probe_decides_whether_the_breaker_closes(ctx: &Context) {
    let let_go = Arc::new(AtomicBool::new(false));
    let backend = recovering(&let_go);
    let program = ctx.start(&[backend.addr()], &["--breaker", "50"]);
    let mut client = program.client();
    open(&mut client);
    let mut probe = program.client();
    probe_until_held(&mut probe, &backend, 21);
    for _ in 0..10 {
        retry_after(&program.client().get("/"));
    }
    assert_eq!(backend.connections(), 21, "one probe at a time");
    let_go.store(true, Ordering::SeqCst);
    assert_eq!(probe.response("GET").text(), "recovered");
    // The result is recorded after the response is sent. This client's second request is handled after that; another
    // worker may be quicker.
    assert_eq!(probe.get("/").text(), "recovered");
    (0..10).for_each(|_| assert_eq!(client.get("/").text(), "recovered"));
}

fn all_dead_is_a_503_at_once(ctx: &Context) {
    for flags in [&["--check", "tcp,interval=100ms"][..], &["--breaker", "50"], &[]] {
        let dead = [reserved_port(), reserved_port(), reserved_port()];
        let flags = [flags, &["--down-time", "60s"]].concat();
        let program = ctx.start(&dead.each_ref().map(|dead| dead.addr), &flags);
        let mut client = program.client();
        let first = client.get("/");
        assert!(matches!(first.status(), 502 | 503), "{first:?}");
        local_reply::check(&first).unwrap();
        for method in ["GET", "POST", "GET", "HEAD"] {
            let began = Instant::now();
            client.request(method, "/", "");
            let response = client.response(method);
            assert_eq!(response.status(), 503, "{flags:?}: {response:?}");
            assert!(began.elapsed() < ms(1_000), "{flags:?}: it took {:?}", began.elapsed());
            if method != "HEAD" {
                local_reply::check(&response).unwrap();
            }
            assert!(!response.head.says_close(), "the client's connection stays open");
        }
    }
}
