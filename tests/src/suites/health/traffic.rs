//! What clients notice of checks, and of backends that fail and recover: as little as possible.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{checked_backends, respond_with, state, until_state};
use crate::Context;
use crate::backend::{Backend, ReservedPort, ok_response};
use crate::case::cases;
use crate::process::Program;
use crate::suites::balance::{row, table};
use crate::suites::support::black_hole;
use crate::wait::{ms, pause, until};

cases! { "health";
    Slow a_black_hole_delays_only_the_requests_sent_to_it,
    Fast a_recovered_backend_begins_with_few_requests,
    Fast slow_start_ends_at_the_full_share,
    Fast slow_start_does_not_limit_the_only_backend,
    Fast flapping_does_not_spread,
}

const CLIENTS: usize = 8;

/// Several clients send requests until `stop`; returns their number and the durations of slow ones. All must be 200.
fn load(program: &Program, stop: &AtomicBool) -> (usize, Vec<Duration>) {
    let one = || {
        let (mut client, mut counted, mut slow) = (program.client(), 0, Vec::new());
        while !stop.load(Ordering::SeqCst) {
            let began = Instant::now();
            let response = client.get("/");
            assert_eq!(response.status(), 200, "{response:?}");
            counted += 1;
            slow.extend(Some(began.elapsed()).filter(|took| *took >= Duration::from_secs(1)));
            pause(ms(3));
        }
        (counted, slow)
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(one)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).fold((0, Vec::new()), |mut all, (counted, slow)| {
            all.1.extend(slow);
            (all.0 + counted, all.1)
        })
    })
}

fn a_black_hole_delays_only_the_requests_sent_to_it(ctx: &Context) {
    let hole = black_hole();
    let (a, b) = (Backend::ok("a"), Backend::ok("b"));
    let flags = ["--check", "tcp,interval=500ms,timeout=500ms", "--connect-timeout", "1500ms", "--down-time", "60s"];
    let program = ctx.start(&[a.addr(), hole.addr, b.addr()], &flags);
    let stop = AtomicBool::new(false);
    let (counted, slow) = thread::scope(|scope| {
        let clients = scope.spawn(|| load(&program, &stop));
        pause(ms(3_500)); // three checks of the black hole, each until its timeout
        stop.store(true, Ordering::SeqCst);
        clients.join().unwrap()
    });
    let table = table(&program, counted as u64);
    let (state, _, _, failed) = row(&table, hole.addr);
    assert_eq!(state, "DOWN", "{table}");
    assert!(slow.len() as u64 <= failed, "{failed} were sent to the black hole, but these were slow: {slow:?}");
    assert!(failed <= CLIENTS as u64, "{failed} of {counted} were sent to the black hole");
    assert!(counted > 200, "{CLIENTS} clients sent only {counted} requests");
}

fn a_recovered_backend_begins_with_few_requests(ctx: &Context) {
    let ([a, b], addrs) = checked_backends(["a", "b"]);
    let program = ctx.start(&addrs, &["--check", "http:/health,interval=50ms", "--slow-start", "100s"]);
    let mut client = program.client();
    (0..20).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!((a.requests(), b.requests()), (10, 10), "no slow start when the process starts");
    a.set_healthy(false);
    until_state(&program, a.addr(), "DOWN");
    a.set_healthy(true);
    until_state(&program, a.addr(), "UP");
    let before = a.requests();
    (0..200).for_each(|_| assert_eq!(client.get("/").status(), 200));
    let taken = a.requests() - before;
    // A tenth of its hundred requests, and what slow start has added since: a fifth after ten seconds.
    assert!((9..=20).contains(&taken), "{taken} of 200");
}

fn slow_start_ends_at_the_full_share(ctx: &Context) {
    let ([a, _b], addrs) = checked_backends(["a", "b"]);
    let program = ctx.start(&addrs, &["--check", "http:/health,interval=50ms", "--slow-start", "400ms"]);
    let mut client = program.client();
    a.set_healthy(false);
    until_state(&program, a.addr(), "DOWN");
    a.set_healthy(true);
    until_state(&program, a.addr(), "UP");
    pause(ms(500));
    let before = a.requests();
    (0..20).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(a.requests() - before, 10);
}

fn slow_start_does_not_limit_the_only_backend(ctx: &Context) {
    let ([a], addrs) = checked_backends(["a"]);
    let program = ctx.start(&addrs, &["--check", "http:/health,interval=50ms", "--slow-start", "100s"]);
    a.set_healthy(false);
    until_state(&program, a.addr(), "DOWN");
    a.set_healthy(true);
    until_state(&program, a.addr(), "UP");
    let mut client = program.client();
    let began = Instant::now();
    (0..50).for_each(|_| assert_eq!(client.get("/").text(), "a"));
    assert!(began.elapsed() < ms(5_000), "no other backend could take its requests: {:?}", began.elapsed());
}

/// A backend that goes up and down until `stop`, and then stays up.
fn flap(mut port: ReservedPort, stop: &AtomicBool) -> Backend {
    loop {
        let backend = Backend::start_on(port, |conn| respond_with(conn, |_| ok_response("flapping")));
        if stop.load(Ordering::SeqCst) {
            return backend;
        }
        pause(ms(120));
        port = backend.stop();
        pause(ms(120));
    }
}

fn flapping_does_not_spread(ctx: &Context) {
    let (flapping, b, c) = (Backend::ok("flapping"), Backend::ok("b"), Backend::ok("c"));
    let addr = flapping.addr();
    let flags = [
        ["--check", "tcp,interval=30ms,rise=1,fall=2"],
        ["--down-time", "50ms"],
        ["--eject-after", "5"],
        ["--breaker", "50"],
        ["--slow-start", "1s"],
    ];
    let program = ctx.start(&[addr, b.addr(), c.addr()], &flags.concat());
    let (stop, stay) = (AtomicBool::new(false), AtomicBool::new(false));
    let port = flapping.stop();
    let (counted, _back) = thread::scope(|scope| {
        let flapper = scope.spawn(|| flap(port, &stay));
        // Every client gets nothing but 200.
        let clients = scope.spawn(|| load(&program, &stop));
        let until = Instant::now() + ms(2_500);
        while Instant::now() < until {
            assert_eq!([&b, &c].map(|steady| state(&program, steady.addr())), ["UP", "UP"]);
            pause(ms(50));
        }
        stay.store(true, Ordering::SeqCst);
        let back = flapper.join().unwrap();
        stop.store(true, Ordering::SeqCst);
        (clients.join().unwrap().0, back)
    });
    assert!(counted > 200, "{counted}");
    assert!(!program.stderr().contains("circuit breaker open"), "the breaker opened:\n{}", program.stderr());
    // Five failed requests in a row eject it for 30 s.
    until("it is back", || ["UP", "EJECTED"].contains(&&*state(&program, addr)));
}
