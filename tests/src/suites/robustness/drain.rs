//! Draining: every accepted request gets its complete response, and then the program ends.
//!
//! A request *fails* if it was sent on a connection accepted before the drain, before the client got
//! FIN or `Connection: close`, and got no complete response. The clients here neither retry nor re-send.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::Context;
use crate::backend::{Backend, Conn, ok_response};
use crate::case::cases;
use crate::client::Client;
use crate::process::Program;
use crate::wait::{TEST_TIMEOUT, ms, pause, until};

cases! { "robustness";
    Fast a_drain_under_load_fails_no_request,
    Fast a_drain_gives_idle_clients_a_fin_after_a_second,
    Fast a_request_during_the_drain_is_answered_with_close,
    Fast a_drain_lets_requests_in_flight_finish,
    Fast a_drain_refuses_new_connections,
    Fast a_drain_cuts_a_client_that_stalls_for_ever,
    Fast a_second_signal_ends_it_at_once,
    Slow a_drain_serves_clients_that_wait_beyond_max_clients,
    Fast a_drain_answers_pipelined_requests,
}

pub(super) fn slow(delay: Duration) -> Backend {
    Backend::start(move |conn| {
        if conn.request().is_ok() {
            pause(delay);
            conn.write(ok_response("done"));
        }
    })
}

fn a_drain_under_load_fails_no_request(ctx: &Context) {
    let backend = slow(ms(2));
    let mut program = ctx.start(&[backend.addr()], &[]);
    let answered: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..12)
            .map(|_| {
                let client = program.client();
                scope.spawn(|| requests_until_close(client))
            })
            .collect();
        pause(ms(500));
        program.signal(Signal::SIGTERM);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!(answered > 12, "only {answered} requests were answered");
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

/// The kernel accepted these connections before the drain; a closed listener would reset them.
fn a_drain_serves_clients_that_wait_beyond_max_clients(ctx: &Context) {
    let backend = slow(ms(500));
    let mut program = ctx.start(&[backend.addr()], &["--max-clients", "2"]);
    let mut clients: Vec<Client> = (0..5).map(|_| program.client()).collect();
    for client in &mut clients {
        client.request("GET", "/", "Connection: close\r\n");
    }
    backend.wait_for("the first two are served", |seen| seen.len() == 2);
    program.signal(Signal::SIGTERM);
    for client in &mut clients {
        assert_eq!(client.response("GET").text(), "done");
    }
    drop(clients);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn a_drain_answers_pipelined_requests(ctx: &Context) {
    let backend = slow(ms(300));
    let mut program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.send("GET /ahead HTTP/1.1\r\nHost: a\r\n\r\n".repeat(4));
    backend.wait_for("the first is in flight", |seen| !seen.is_empty());
    program.signal(Signal::SIGTERM);
    for turn in 1..=4 {
        let response = client.response("GET");
        assert_eq!(response.text(), "done", "request {turn}");
        assert_eq!(response.head.says_close(), turn == 4, "request {turn}");
    }
    client.expect_closed();
    drop(client);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

/// Sends requests without a pause until the balancer sends `Connection: close`; every one must get its complete
/// response.
pub(super) fn requests_until_close(mut client: Client) -> usize {
    let deadline = Instant::now() + TEST_TIMEOUT;
    let mut answered = 0;
    while Instant::now() < deadline {
        client.request("GET", "/", "");
        let response = client.try_response("GET");
        let response = response.unwrap_or_else(|error| panic!("a failed request after {answered}: {error:?}"));
        assert_eq!((response.status(), response.text().as_str()), (200, "done"));
        answered += 1;
        if response.head.says_close() {
            client.expect_closed();
            return answered;
        }
    }
    panic!("never told to close in {answered} requests");
}

fn a_drain_gives_idle_clients_a_fin_after_a_second(ctx: &Context) {
    let backend = Backend::ok("ok");
    let mut program = ctx.start(&[backend.addr()], &[]);
    let mut used = program.client();
    assert_eq!(used.get("/").status(), 200);
    let mut fresh = program.client();
    // A client has certainly been accepted once a later one has been served.
    assert_eq!(program.client().get("/").status(), 200);
    let began = Instant::now();
    program.signal(Signal::SIGTERM);
    used.expect_closed();
    fresh.expect_closed();
    let took = began.elapsed();
    assert!(took >= ms(500), "closed after {took:?}: a request in flight would be lost");
    assert!(took < ms(6000), "closed after {took:?}");
    drop((used, fresh));
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn a_request_during_the_drain_is_answered_with_close(ctx: &Context) {
    let backend = Backend::ok("ok");
    let mut program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    assert!(!client.get("/").head.says_close());
    program.signal(Signal::SIGTERM);
    pause(ms(200));
    let response = client.get("/late");
    assert_eq!(response.text(), "ok");
    assert!(response.head.says_close(), "{response:?}");
    client.expect_closed();
    drop(client);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn a_drain_lets_requests_in_flight_finish(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        pause(ms(1500));
        if request.head.method == "POST" {
            conn.write(ok_response(&request.body.len().to_string()));
        } else {
            conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
            pause(ms(1000));
            conn.write("5\r\nworld\r\n0\r\n\r\n");
        }
    });
    let mut program = ctx.start(&[backend.addr()], &[]);
    let mut getting = program.client();
    getting.request("GET", "/", "");
    let mut posting = program.client();
    posting.request("POST", "/", "Content-Length: 10\r\n");
    posting.send("01234");
    backend.wait_for("both are in flight", |seen| seen.iter().filter(|s| s.count > 0).count() == 2);
    program.signal(Signal::SIGTERM);
    pause(ms(300));
    posting.send("56789");
    let response = getting.response("GET");
    assert_eq!(response.text(), "helloworld");
    assert!(response.head.says_close(), "{response:?}");
    let response = posting.response("POST");
    assert_eq!(response.text(), "10");
    assert!(response.head.says_close(), "{response:?}");
    drop((getting, posting));
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn a_drain_refuses_new_connections(ctx: &Context) {
    let backend = Backend::start(Conn::read_until_closed);
    let mut program = ctx.start(&[backend.addr()], &["--drain-timeout", "20s"]);
    let mut client = program.client();
    client.request("GET", "/", "");
    backend.wait_for("a request is in flight", |seen| seen.first().is_some_and(|s| s.count > 0));
    program.signal(Signal::SIGTERM);
    until("connects are refused", || {
        Client::try_connect(program.addr()).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    });
    program.assert_running();
    client.reset();
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn a_drain_cuts_a_client_that_stalls_for_ever(ctx: &Context) {
    let backend = Backend::start(Conn::read_until_closed);
    let mut program = ctx.start(&[backend.addr()], &["--drain-timeout", "2s"]);
    let stuck = blocked_client(&program, &backend);
    let began = Instant::now();
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    let took = began.elapsed();
    assert!(took >= ms(1500), "cut after {took:?}");
    drop(stuck);
}

fn a_second_signal_ends_it_at_once(ctx: &Context) {
    for (first, second) in [(Signal::SIGTERM, Signal::SIGTERM), (Signal::SIGINT, Signal::SIGTERM)] {
        let backend = Backend::start(Conn::read_until_closed);
        let mut program = ctx.start(&[backend.addr()], &["--drain-timeout", "60s"]);
        let stuck = blocked_client(&program, &backend);
        program.signal(first);
        assert!(program.wait(ms(700)).is_none(), "it does not drain");
        program.signal(second);
        assert!(program.wait(ms(5000)).is_some(), "it does not stop");
        drop(stuck);
    }
}

/// A client whose request stays in flight: the backend never responds.
fn blocked_client(program: &Program, backend: &Backend) -> Client {
    let mut client = program.client();
    client.request("GET", "/", "");
    backend.wait_for("the request arrives", |seen| seen.first().is_some_and(|s| s.count > 0));
    client
}
