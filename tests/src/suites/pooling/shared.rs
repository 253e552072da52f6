//! One core has too many, another has none.

use super::{ADMIN, answer, answering, connections, count};
use crate::Context;
use crate::runner::cases;
use crate::suites::together;
use crate::wait::{ms, pause, until};

cases! { "pooling";
    Fast what_one_core_does_not_need_serves_another,
}

fn what_one_core_does_not_need_serves_another(ctx: &Context) {
    const CLIENTS: usize = 8;
    let backend = answering(|conn| {
        pause(ms(50));
        answer(conn);
    });
    let program = ctx.start(&[backend.addr()], &[&ADMIN[..], &["--workers", "2", "--check", "off"]].concat());
    together(CLIENTS, |_| assert_eq!(program.client().get("/").status(), 200));
    let made = connections(&backend).0;
    assert_eq!(made, CLIENTS);
    until("what nobody has needed lies on the shelf", || count(&program, "shared_idle") == CLIENTS as u64);
    together(CLIENTS, |_| assert_eq!(program.client().get("/").status(), 200));
    assert_eq!(count(&program, "shared_hits"), CLIENTS as u64);
    assert_eq!(connections(&backend), (CLIENTS, 0), "nobody has connected");
}
