//! How many connections are idle, for how long, and how often each is used.

use super::{ADMIN, answer, answering, connections, count, until_open};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::Program;
use crate::suites::support::run_in_parallel;
use crate::wait::{ms, pause, until};

cases! { "pooling";
    Fast idle_connections_never_exceed_the_limit,
    Fast a_pool_of_size_zero_works,
    Fast the_longest_idle_connection_is_evicted_first,
    Fast a_connection_is_idle_no_longer_than_its_timeout,
    Fast a_connection_serves_no_more_than_max_requests,
    Fast a_connection_becomes_no_older_than_max_age,
}

/// Slow enough that the requests of several clients overlap.
fn slow() -> Backend {
    answering(|conn| {
        pause(ms(50));
        answer(conn);
    })
}

/// Sends `count` concurrent requests.
fn burst(program: &Program, clients: usize) {
    run_in_parallel(clients, |_| assert_eq!(program.client().get("/").status(), 200));
}

fn start(ctx: &Context, backend: &Backend, flags: &[&str]) -> Program {
    ctx.start(&[backend.addr()], &[&ADMIN[..], &["--workers", "1", "--check", "off"], flags].concat())
}

fn idle_connections_never_exceed_the_limit(ctx: &Context) {
    let backend = slow();
    let program = start(ctx, &backend, &["-p", "2"]);
    burst(&program, 6);
    until_open(&backend, 2);
    assert_eq!(count(&program, "evicted"), connections(&backend).1 as u64);
}

fn a_pool_of_size_zero_works(ctx: &Context) {
    let backend = answering(answer);
    let program = start(ctx, &backend, &["-p", "0"]);
    let mut client = program.client();
    for _ in 0..5 {
        assert_eq!(client.get("/").status(), 200);
    }
    until_open(&backend, 0);
    assert_eq!((count(&program, "hits"), connections(&backend).0), (0, 5));
}

/// The limit over all backends: the longest idle connection is evicted, whichever backend it leads to.
fn the_longest_idle_connection_is_evicted_first(ctx: &Context) {
    let (first, second) = (answering(answer), answering(answer));
    let flags = [&ADMIN[..], &["--workers", "1", "--check", "off", "-a", "rr", "--idle-total", "1"]].concat();
    let program = ctx.start(&[first.addr(), second.addr()], &flags);
    let mut client = program.client();
    for (turn, (kept, closed)) in [(&first, &second), (&second, &first), (&first, &second)].into_iter().enumerate() {
        assert_eq!(client.get("/").status(), 200);
        until_open(kept, 1);
        until_open(closed, 0);
        assert_eq!(count(&program, "evicted"), turn as u64);
    }
}

fn a_connection_is_idle_no_longer_than_its_timeout(ctx: &Context) {
    let backend = answering(answer);
    let program = start(ctx, &backend, &["--upstream-idle-timeout", "200ms"]);
    let mut client = program.client();
    assert_eq!(client.get("/").status(), 200);
    until_open(&backend, 0);
    until("it is counted", || count(&program, "expired") == 1);
    assert_eq!(client.get("/").status(), 200);
    pause(ms(250));
    // Whether the sweep has run or not: the expired connection is not reused.
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(count(&program, "hits"), 0);
}

fn a_connection_serves_no_more_than_max_requests(ctx: &Context) {
    let backend = answering(answer);
    let program = start(ctx, &backend, &["--upstream-max-requests", "3"]);
    let mut client = program.client();
    for _ in 0..10 {
        assert_eq!(client.get("/").status(), 200);
    }
    until_open(&backend, 1);
    assert_eq!(connections(&backend), (4, 3), "3 + 3 + 3 + 1");
    assert_eq!(count(&program, "expired"), 3);
}

fn a_connection_becomes_no_older_than_max_age(ctx: &Context) {
    let backend = answering(answer);
    let program = start(ctx, &backend, &["--upstream-max-age", "1s"]);
    let mut client = program.client();
    let mut asked = 0_u64;
    until("it is replaced", || {
        pause(ms(100));
        assert_eq!(client.get("/").status(), 200);
        asked += 1;
        connections(&backend).0 > 1
    });
    assert!(asked > 3, "it was replaced after {asked} requests");
    assert!(count(&program, "expired") >= 1);
}
