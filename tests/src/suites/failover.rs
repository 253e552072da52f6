//! Suite `failover`: clients do not notice an unreachable backend, and a killed one costs only what was in flight.

use std::thread;
use std::time::Instant;

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::process::Program;
use crate::rng::Rng;
use crate::suites::balance::{row, table};
use crate::suites::local_reply;
use crate::suites::support::{black_hole, reserved_port};
use crate::wait::{ms, pause, until};

cases! { "failover";
    Fast a_dead_backend_is_hidden_from_every_client,
    Fast a_body_survives_the_failover,
    Fast a_dead_backend_is_marked_down_and_recovers,
    Fast all_dead_is_502_then_503_and_recovers,
    Fast a_backend_killed_under_load_loses_only_what_was_in_flight,
    Fast a_black_holed_backend_is_skipped_at_the_connect_deadline,
    Fast a_name_is_tried_at_every_address,
}

fn a_dead_backend_is_hidden_from_every_client(ctx: &Context) {
    let dead = reserved_port();
    let (a, b) = (Backend::ok("a"), Backend::ok("b"));
    let program = ctx.start(&[a.addr(), dead.addr, b.addr()], &[]);
    let mut client = program.client();
    for turn in 0..30 {
        let (method, extra) = if turn % 2 == 0 { ("GET", "") } else { ("POST", "Content-Length: 2\r\n") };
        client.request(method, &format!("/{turn}"), extra);
        if turn % 2 == 1 {
            client.send("hi");
        }
        let response = client.response(method);
        assert_eq!(response.status(), 200, "turn {turn}: {response:?}");
        assert!(!response.head.says_close());
    }
    assert_eq!(a.connections() + b.connections(), 30, "each request was sent once");
    assert!(a.connections() >= 10 && b.connections() >= 10);
    let table = table(&program, 30);
    let (state, active, _, failed) = row(&table, dead.addr);
    assert_eq!((state.as_str(), active), ("DOWN", 0), "{table}");
    assert!(failed >= 1, "{table}");
    assert_eq!(row(&table, a.addr()).0, "UP");
}

fn a_body_survives_the_failover(ctx: &Context) {
    let dead = [reserved_port(), reserved_port()];
    let backend = Backend::ok("got it");
    let flags = ["--down-time", "100ms"];
    let program = ctx.start(&[dead[0].addr, backend.addr(), dead[1].addr], &flags);
    let mut client = program.client();
    let body = Rng::new(3).bytes(100_000);
    for later in [false, true, false, true, false, true] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        client.send(head);
        if later {
            pause(ms(120));
        }
        client.send(&body);
        assert_eq!(client.response("POST").text(), "got it");
        assert!(backend.last_request().1 == body, "the body differs");
    }
    assert_eq!(backend.connections(), 6);
}

fn a_dead_backend_is_marked_down_and_recovers(ctx: &Context) {
    let dead = reserved_port();
    let alive = Backend::ok("alive");
    let program = ctx.start(&[dead.addr, alive.addr()], &["--down-time", "3s"]);
    let mut client = program.client();
    let began = Instant::now();
    for _ in 0..2 {
        assert_eq!(client.get("/").text(), "alive");
    }
    let back = Backend::start_on(dead, |conn| {
        if conn.request().is_ok() {
            conn.write(ok_response("back"));
        }
    });
    // Not tried while it is marked down, although it would answer.
    while began.elapsed() < ms(1500) {
        assert_eq!(client.get("/").text(), "alive");
        pause(ms(20));
    }
    if began.elapsed() < ms(2800) {
        assert_eq!(back.connections(), 0);
    }
    until("the recovered backend gets requests", || client.get("/").text() == "back");
    let answers: Vec<_> = (0..10).map(|_| client.get("/").text()).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "back").count(), 5, "{answers:?}");
}

fn all_dead_is_502_then_503_and_recovers(ctx: &Context) {
    let dead = [reserved_port(), reserved_port(), reserved_port()];
    let addrs: Vec<_> = dead.iter().map(|dead| dead.addr).collect();
    let program = ctx.start(&addrs, &["--down-time", "2s"]);
    let mut client = program.client();
    let began = Instant::now();
    local_reply::assert_local(&client.get("/"), 502);
    let second = client.get("/");
    if began.elapsed() < ms(1500) {
        local_reply::assert_local(&second, 503);
    }
    client.request("HEAD", "/", "");
    assert!(matches!(client.response("HEAD").status(), 502 | 503));
    client.request("POST", "/", "Content-Length: 2\r\n");
    client.send("hi");
    let response = client.response("POST");
    assert!(matches!(response.status(), 502 | 503));
    local_reply::check(&response).unwrap();
    let _backends = dead.map(|dead| {
        Backend::start_on(dead, |conn| {
            if conn.request().is_ok() {
                conn.write(ok_response("back"));
            }
        })
    });
    until("it serves again", || program.client().get("/").status() == 200);
}

const CLIENTS: usize = 16;

fn a_backend_killed_under_load_loses_only_what_was_in_flight(ctx: &Context) {
    let backends = [Backend::ok("a"), Backend::ok("b")];
    let victim = Backend::start(|conn| {
        if conn.request().is_ok() {
            pause(ms(20));
            conn.write(ok_response("victim"));
        }
    });
    let addrs = [backends[0].addr(), victim.addr(), backends[1].addr()];
    let program = ctx.start(&addrs, &["--down-time", "30s"]);
    let deadline = Instant::now() + ms(1500);
    let (answered, lost) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| count_lost(&program, deadline))).collect();
        pause(ms(500));
        drop(victim);
        clients.into_iter().map(|client| client.join().unwrap()).fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    });
    assert!(answered > CLIENTS, "only {answered} answers");
    assert!(lost <= CLIENTS, "{lost} of {answered} requests were lost with {CLIENTS} in flight");
    let mut client = program.client();
    for _ in 0..30 {
        assert_eq!(client.get("/").status(), 200, "after the kill no request fails");
    }
}

/// Sends requests until the deadline: every response is a 200 or a well-formed 502. Both are counted.
fn count_lost(program: &Program, deadline: Instant) -> (usize, usize) {
    let mut client = program.client();
    let (mut answered, mut lost) = (0, 0);
    while Instant::now() < deadline {
        let response = client.get("/");
        answered += 1;
        match response.status() {
            200 => {}
            502 => {
                local_reply::check(&response).unwrap();
                lost += 1;
            }
            other => panic!("{other}: {response:?}"),
        }
        if response.head.says_close() {
            client = program.client();
        }
    }
    (answered, lost)
}

fn a_black_holed_backend_is_skipped_at_the_connect_deadline(ctx: &Context) {
    let hole = black_hole();
    let alive = Backend::ok("alive");
    let flags = ["--connect-timeout", "500ms", "--down-time", "60s"];
    let program = ctx.start(&[hole.addr, alive.addr()], &flags);
    let mut client = program.client();
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(client.get("/").text(), "alive");
    }
    // The black hole was tried a few times at most: not for half a second by every second request.
    assert!(began.elapsed() < ms(4000), "20 requests took {:?}", began.elapsed());
    assert_eq!(row(&table(&program, 20), hole.addr).0, "DOWN");
}

fn a_name_is_tried_at_every_address(ctx: &Context) {
    // `localhost` may resolve to ::1 first, where nothing listens.
    let backend = Backend::ok("by name");
    let name = format!("localhost:{}", backend.addr().port());
    let program = ctx.start_named(&[&name], &[]);
    let mut client = program.client();
    for _ in 0..10 {
        assert_eq!(client.get("/").text(), "by name");
    }
}
