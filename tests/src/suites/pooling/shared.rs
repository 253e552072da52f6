//! One worker has idle connections, another needs one.

use super::{ADMIN, answer, answering, connections, count};
use crate::Context;
use crate::case::cases;
use crate::suites::support::run_in_parallel;
use crate::wait::{ms, pause, until};

cases! { "pooling";
    Slow an_idle_connection_of_one_worker_serves_another,
}

fn an_idle_connection_of_one_worker_serves_another(ctx: &Context) {
    const CLIENTS: usize = 8;
    let backend = answering(|conn| {
        pause(ms(50));
        answer(conn);
    });
    let program = ctx.start(&[backend.addr()], &[&ADMIN[..], &["--workers", "2", "--check", "off"]].concat());
    run_in_parallel(CLIENTS, |_| assert_eq!(program.client().get("/").status(), 200));
    let made = connections(&backend).0;
    assert_eq!(made, CLIENTS);
    until("the idle connections are in the shared pool", || count(&program, "shared_idle") == CLIENTS as u64);
    run_in_parallel(CLIENTS, |_| assert_eq!(program.client().get("/").status(), 200));
    assert_eq!(count(&program, "shared_hits"), CLIENTS as u64);
    assert_eq!(connections(&backend), (CLIENTS, 0), "no new connection was opened");
}
