//! Requests that leave the queue: the client, the backend or the program goes away.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{GatedBackend, ResponseGate, queue_request, wait_until_idle};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::Program;
use crate::suites::{local_reply, support::logged};
use crate::wait::{TEST_TIMEOUT, until};

cases! { "limits";
    Fast a_client_that_disconnects_while_queued_frees_its_ticket_and_reaches_no_backend,
    Fast a_queued_request_is_dropped_when_its_client_closes_its_side,
    Fast a_client_that_closes_its_side_once_its_request_is_sent_is_answered,
    Fast the_queue_is_served_while_the_program_drains,
    Fast a_second_signal_ends_queued_requests_too,
    Fast requests_queued_for_a_backend_that_dies_get_a_response,
    Fast a_request_whose_idle_connection_was_closed_keeps_its_turn,
    Fast the_queue_leaves_no_descriptors_behind,
}

fn start(ctx: &Context, gated: &GatedBackend, queue: &str) -> Program {
    let flags = ["--max-connections", "1", "--queue", queue, "--queue-timeout", "60s"];
    ctx.start(&[gated.backend.addr()], &flags)
}

fn a_client_that_disconnects_while_queued_frees_its_ticket_and_reaches_no_backend(ctx: &Context) {
    let gated = GatedBackend::start();
    let program = start(ctx, &gated, "2");
    let mut first = queue_request(&program, "/first");
    let gone = [queue_request(&program, "/gone"), queue_request(&program, "/gone-too")];
    let mut client = program.client();
    local_reply::assert_local(&client.get("/full"), 503);
    gone.into_iter().for_each(crate::client::Client::reset);
    wait_until_idle(&program);
    // Both queue tickets are free again.
    let mut second = queue_request(&program, "/second");
    let mut third = queue_request(&program, "/third");
    local_reply::assert_local(&client.get("/full"), 503);
    gated.gate.open(3);
    for client in [&mut first, &mut second, &mut third] {
        assert_eq!(client.response("GET").status(), 200);
    }
    assert_eq!(gated.requests(), ["/first", "/second", "/third"]);
}

/// Also when more of what the client sends is unread: its FIN comes behind that.
fn a_queued_request_is_dropped_when_its_client_closes_its_side(ctx: &Context) {
    for pipelined in ["", "GET /pipelined HTTP/1.1\r\nHost: test\r\n\r\n"] {
        let gated = GatedBackend::start();
        let flags = ["--max-connections", "1", "--queue", "1", "--queue-timeout", "60s", "--log-requests"];
        let program = ctx.start(&[gated.backend.addr()], &flags);
        let mut first = queue_request(&program, "/first");
        let mut gone = queue_request(&program, "/gone");
        gone.send(pipelined);
        wait_until_idle(&program);
        gone.half_close();
        gone.expect_closed();
        until("it is logged", || logged(&program, "GET", 499) == 1);
        // Its place in the queue is free.
        let mut second = queue_request(&program, "/second");
        gated.gate.open(2);
        assert_eq!(first.response("GET").status(), 200);
        assert_eq!(second.response("GET").status(), 200);
        assert_eq!(gated.requests(), ["/first", "/second"]);
    }
}

fn a_client_that_closes_its_side_once_its_request_is_sent_is_answered(ctx: &Context) {
    let gated = GatedBackend::start();
    let program = start(ctx, &gated, "1");
    let mut client = queue_request(&program, "/");
    gated.wait_for_requests(&["/"]);
    client.half_close();
    wait_until_idle(&program);
    gated.gate.open(1);
    assert_eq!(client.response("GET").status(), 200);
    client.expect_closed();
}

fn the_queue_is_served_while_the_program_drains(ctx: &Context) {
    let gated = GatedBackend::start();
    let mut program = start(ctx, &gated, "10");
    let targets: Vec<_> = (0..6).map(|number| format!("/{number}")).collect();
    let mut clients: Vec<_> = targets.iter().map(|target| queue_request(&program, target)).collect();
    program.signal(Signal::SIGTERM);
    wait_until_idle(&program);
    gated.gate.open(6);
    for client in &mut clients {
        let response = client.response("GET");
        assert_eq!(response.status(), 200);
        client.expect_closed();
    }
    assert_eq!(gated.requests(), targets);
    drop(clients);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn a_second_signal_ends_queued_requests_too(ctx: &Context) {
    let gated = GatedBackend::start();
    let mut program = start(ctx, &gated, "10");
    let clients: Vec<_> = ["/0", "/1", "/2"].iter().map(|target| queue_request(&program, target)).collect();
    gated.wait_for_requests(&["/0"]);
    program.signal(Signal::SIGTERM);
    wait_until_idle(&program);
    program.assert_running();
    program.signal(Signal::SIGTERM);
    // The gate is closed: a program that served the queue first would not end. What has arrived tells nothing more,
    // because a worker that ends later may send a request whose slot another worker has just freed.
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    gated.gate.open(3);
    drop(clients);
}

fn requests_queued_for_a_backend_that_dies_get_a_response(ctx: &Context) {
    let gated = GatedBackend::start();
    let program = start(ctx, &gated, "10");
    let mut clients: Vec<_> = ["/0", "/1", "/2", "/3"].iter().map(|target| queue_request(&program, target)).collect();
    gated.wait_for_requests(&["/0"]);
    let began = Instant::now();
    gated.gate.open(10); // releases the script, which is joined; its connection is gone by then
    drop(gated.backend);
    for client in &mut clients[1..] {
        let response = client.response("GET");
        // The backend may answer some of them before it dies.
        if response.status() != 200 {
            assert!(matches!(response.status(), 502 | 503), "{response:?}");
            local_reply::check(&response).unwrap();
        }
    }
    assert!(began.elapsed() < Duration::from_secs(8), "they were queued for {:?}", began.elapsed());
}

/// The backend closes the idle connection over which `/first` has just been sent. The request is sent again, over a new
/// connection; it does not go to the end of the queue, which is full.
fn a_request_whose_idle_connection_was_closed_keeps_its_turn(ctx: &Context) {
    let (gate, requests) = (Arc::new(ResponseGate::default()), Arc::new(Mutex::new(Vec::new())));
    let (opened, arrived) = (Arc::clone(&gate), Arc::clone(&requests));
    let backend = Backend::start(move |conn| {
        let mut is_reused = false;
        while let Ok(request) = conn.request() {
            let target = request.head.target;
            let closes = target == "/first" && is_reused;
            is_reused = true;
            arrived.lock().unwrap().push(target);
            if closes {
                opened.wait_until_open();
                return;
            }
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let flags = ["--max-connections", "1", "--queue", "1", "--queue-timeout", "60s", "--check", "off"];
    let program = ctx.start(&[backend.addr()], &flags);
    let mut first = program.client();
    assert_eq!(first.get("/warm").status(), 200);
    first.request("GET", "/first", "");
    wait_until_idle(&program);
    let mut queued = queue_request(&program, "/queued");
    gate.open(1);
    assert_eq!(first.response("GET").status(), 200);
    assert_eq!(queued.response("GET").status(), 200);
    assert_eq!(*requests.lock().unwrap(), ["/warm", "/first", "/first", "/queued"]);
}

fn the_queue_leaves_no_descriptors_behind(ctx: &Context) {
    let gated = GatedBackend::start();
    let program = start(ctx, &gated, "10");
    let mut first = queue_request(&program, "/0");
    gated.gate.open(1);
    assert_eq!(first.response("GET").status(), 200);
    wait_until_idle(&program);
    let before = program.fds();
    for _ in 0..5 {
        first.request("GET", "/held", "");
        wait_until_idle(&program);
        let waiting: Vec<_> = (0..5).map(|_| queue_request(&program, "/waits")).collect();
        let mut waiting = waiting.into_iter();
        waiting.next().expect("five").reset();
        wait_until_idle(&program);
        gated.gate.open(5);
        assert_eq!(first.response("GET").status(), 200);
        for mut client in waiting {
            assert_eq!(client.response("GET").status(), 200);
        }
    }
    until("every descriptor is closed", || program.fds() <= before);
}
