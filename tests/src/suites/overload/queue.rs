//! The queue under overload, what is never shed, and the options.

use std::time::Instant;

use crate::Context;
use crate::admin_client::AdminClient;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::client::Client;
use crate::process::Program;
use crate::suites::limits::GatedBackend;
use crate::suites::local_reply;
use crate::suites::support::assert_usage_error;
use crate::wait::{TEST_TIMEOUT, ms, pause, until};

cases! { "overload";
    Fast requests_beyond_the_limit_wait_and_old_ones_are_shed,
    Slow under_overload_the_newest_request_is_next,
    Fast streams_and_tunnels_hold_no_slot,
    Slow health_checks_and_the_admin_interface_are_never_shed,
    Slow a_client_that_leaves_gives_its_slot_back,
    Slow a_backend_that_times_out_lowers_the_limit,
    Fast a_wrong_option_is_one_line,
}

/// The limit before the first response.
const INITIAL_LIMIT: usize = 20;

/// What the admin interface says of the first group.
fn group(program: &Program, member: &str) -> u64 {
    let limits = AdminClient::of(program).request_ok("GET", "/limits", "");
    limits["load_shedding"][0][member].as_u64().unwrap_or_else(|| panic!("no {member}: {limits}"))
}

fn request(program: &Program, target: &str) -> Client {
    let mut client = program.client();
    client.request("GET", target, "");
    client
}

/// As many requests as may be in flight.
fn fill(program: &Program) -> Vec<Client> {
    let clients = (0..INITIAL_LIMIT).map(|number| request(program, &format!("/held/{number}"))).collect();
    until("all slots are held", || group(program, "in_flight") == INITIAL_LIMIT as u64);
    clients
}

/// Sends a request every 20 ms until the first has been shed: the group is overloaded. Returns the clients.
fn overload(program: &Program) -> Vec<Client> {
    let mut clients = Vec::new();
    let began = Instant::now();
    while group(program, "shed") == 0 {
        assert!(began.elapsed() < TEST_TIMEOUT, "nothing is shed");
        clients.push(request(program, &format!("/queued/{}", clients.len())));
        pause(ms(20));
    }
    clients
}

fn requests_beyond_the_limit_wait_and_old_ones_are_shed(ctx: &Context) {
    let gated = GatedBackend::start();
    let flags = ["--shed", "aimd", "--shed-target", "50ms", "--admin", "127.0.0.1:0"];
    let program = ctx.start(&[gated.backend.addr()], &flags);
    let mut held = fill(&program);
    let mut queued = overload(&program);
    let mut oldest = queued.remove(0);
    let reply = oldest.response("GET");
    local_reply::assert_local(&reply, 503);
    assert_eq!(reply.fields().get("retry-after"), Some("1"), "{reply:?}");
    assert!(!reply.head.says_close(), "the connection stays open: {reply:?}");
    assert_eq!(gated.requests().len(), INITIAL_LIMIT, "no other request has reached the backend");
    gated.gate.open(INITIAL_LIMIT + queued.len());
    for client in &mut held {
        assert_eq!(client.response("GET").status(), 200);
    }
    let statuses: Vec<_> = queued.iter_mut().map(|client| client.response("GET").status()).collect();
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert_eq!(oldest.get("/").status(), 200, "it may try again");
    // A client may have its response a moment before the slot is given back.
    until("no slot is held", || group(&program, "in_flight") == 0);
    assert_eq!(group(&program, "queued"), 0);
}

fn under_overload_the_newest_request_is_next(ctx: &Context) {
    let gated = GatedBackend::start();
    // Late responses would lower the limit, and then a response frees no slot.
    let flags = ["--shed", "aimd", "--shed-threshold", "60s", "--shed-target", "200ms", "--admin", "127.0.0.1:0"];
    let program = ctx.start(&[gated.backend.addr()], &flags);
    let _held = fill(&program);
    let _queued = overload(&program);
    let _older = request(&program, "/older");
    let before = group(&program, "queued");
    let _newest = request(&program, "/newest");
    until("the newest is queued", || group(&program, "queued") + group(&program, "shed") > before);
    gated.gate.open(1);
    until("one more request arrives", || gated.requests().len() > INITIAL_LIMIT);
    assert_eq!(gated.requests()[INITIAL_LIMIT], "/newest");
}

/// A slot is held until the first byte of the response.
fn streams_and_tunnels_hold_no_slot(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        if request.head.target == "/stream" {
            conn.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
            let _ = conn.request(); // until the balancer closes
        } else {
            conn.write(ok_response("ok"));
        }
    });
    let program = ctx.start(&[backend.addr()], &["--shed", "aimd", "--admin", "127.0.0.1:0"]);
    let streams: Vec<_> = (0..2 * INITIAL_LIMIT).map(|_| request(&program, "/stream")).collect();
    until("all streams have begun", || backend.connections() >= streams.len());
    until("none of them holds a slot", || group(&program, "in_flight") == 0);
    assert_eq!(program.client().get("/").status(), 200);
}

fn health_checks_and_the_admin_interface_are_never_shed(ctx: &Context) {
    let gated = GatedBackend::start();
    let flags =
        ["--shed", "aimd", "--shed-target", "20ms", "--check", "tcp,interval=100ms,fall=1", "--admin", "127.0.0.1:0"];
    let program = ctx.start(&[gated.backend.addr()], &flags);
    let _held = fill(&program);
    let _queued = overload(&program);
    let admin = AdminClient::of(&program);
    let checked = gated.backend.connections();
    until("checks go on", || gated.backend.connections() > checked + 3);
    let backends = admin.request_ok("GET", "/backends", "");
    assert_eq!(backends["backends"][0]["state"], "UP", "{backends}");
    assert!(group(&program, "shed") > 0);
}

fn a_client_that_leaves_gives_its_slot_back(ctx: &Context) {
    let gated = GatedBackend::start();
    let program = ctx.start(&[gated.backend.addr()], &["--shed", "aimd", "--admin", "127.0.0.1:0"]);
    let held = fill(&program);
    let queued = request(&program, "/queued");
    until("it is queued", || group(&program, "queued") == 1);
    held.into_iter().for_each(Client::reset);
    until("the queued one has a slot", || gated.requests().iter().any(|target| target == "/queued"));
    until("the others have given theirs back", || group(&program, "in_flight") == 1);
    assert_eq!(group(&program, "limit"), INITIAL_LIMIT as u64);
    drop(queued);
}

fn a_backend_that_times_out_lowers_the_limit(ctx: &Context) {
    let gated = GatedBackend::start();
    let flags = ["--shed", "aimd", "--first-byte-timeout", "300ms", "--admin", "127.0.0.1:0"];
    let program = ctx.start(&[gated.backend.addr()], &flags);
    for client in &mut fill(&program) {
        local_reply::assert_local(&client.response("GET"), 504);
    }
    assert_eq!(group(&program, "limit"), 18, "twenty timeouts of requests that were sent together are one");
    local_reply::assert_local(&program.client().get("/"), 504);
    assert_eq!(group(&program, "limit"), 16);
}

fn a_wrong_option_is_one_line(ctx: &Context) {
    for (flags, says) in [
        (&["--shed", "moon"][..], "moon"),
        (&["--shed-target", "1s"], "--shed"),
        (&["--shed-threshold", "1s"], "--shed"),
        (&["--shed", "gradient", "--shed-threshold", "1s"], "--shed-threshold"),
        (&["--shed", "aimd", "--shed-target", "0s"], "--shed-target"),
    ] {
        let line: Vec<_> = ["0", "127.0.0.1:1"].into_iter().chain(flags.iter().copied()).collect();
        assert_usage_error(ctx, &line, says);
    }
}
