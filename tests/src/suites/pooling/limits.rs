//! How many connections rest, for how long, and how often they are used.

use super::{ADMIN, answer, answering, connections, count, until_open};
use crate::Context;
use crate::backend::Backend;
use crate::process::Program;
use crate::runner::cases;
use crate::suites::together;
use crate::wait::{ms, pause, until};

cases! { "pooling";
    Fast no_more_rest_than_may,
    Fast a_pool_of_none_works,
    Fast what_has_rested_longest_is_evicted_first,
    Fast a_connection_rests_no_longer_than_it_may,
    Fast a_connection_serves_no_more_than_it_may,
    Fast a_connection_becomes_no_older_than_it_may,
}

/// Slow enough that requests of several clients overlap.
fn slow() -> Backend {
    answering(|conn| {
        pause(ms(50));
        answer(conn);
    })
}

/// So many requests at once.
fn burst(program: &Program, clients: usize) {
    together(clients, |_| assert_eq!(program.client().get("/").status(), 200));
}

fn start(ctx: &Context, backend: &Backend, flags: &[&str]) -> Program {
    ctx.start(&[backend.addr()], &[&ADMIN[..], &["--workers", "1", "--check", "off"], flags].concat())
}

fn no_more_rest_than_may(ctx: &Context) {
    let backend = slow();
    let program = start(ctx, &backend, &["-p", "2"]);
    burst(&program, 6);
    until_open(&backend, 2);
    assert_eq!(count(&program, "evicted"), connections(&backend).1 as u64);
}

fn a_pool_of_none_works(ctx: &Context) {
    let backend = answering(answer);
    let program = start(ctx, &backend, &["-p", "0"]);
    let mut client = program.client();
    for _ in 0..5 {
        assert_eq!(client.get("/").status(), 200);
    }
    until_open(&backend, 0);
    assert_eq!((count(&program, "hits"), connections(&backend).0), (0, 5));
}

/// A bound on all of them: the one that has rested longest goes, whoever it leads to.
fn what_has_rested_longest_is_evicted_first(ctx: &Context) {
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

fn a_connection_rests_no_longer_than_it_may(ctx: &Context) {
    let backend = answering(answer);
    let program = start(ctx, &backend, &["--upstream-idle-timeout", "200ms"]);
    let mut client = program.client();
    assert_eq!(client.get("/").status(), 200);
    until_open(&backend, 0);
    until("it is counted", || count(&program, "expired") == 1);
    assert_eq!(client.get("/").status(), 200);
    pause(ms(250));
    // Whether the sweep has come by or not: it is not used again.
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(count(&program, "hits"), 0);
}

fn a_connection_serves_no_more_than_it_may(ctx: &Context) {
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

fn a_connection_becomes_no_older_than_it_may(ctx: &Context) {
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
