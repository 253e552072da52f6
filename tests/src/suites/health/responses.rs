//! What live responses say of a backend: ejection, and the way back.

use std::time::Duration;

use super::{answer_all, failure, state, until_state};
use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::runner::cases;
use crate::wait::eventually;

cases! { "health";
    Fast five_failures_in_a_row_eject,
    Fast a_success_between_begins_the_count_anew,
    Fast resets_eject_too,
    Fast ejections_of_most_are_not_believed,
    Full an_ejected_one_is_let_back_in,
}

const EJECTING: [&str; 2] = ["--eject-after", "5"];

fn five_failures_in_a_row_eject(ctx: &Context) {
    let (failing, well) = (Backend::answering(failure()), Backend::ok("well"));
    let program = ctx.start(&[failing.addr(), well.addr()], &EJECTING);
    let mut client = program.client();
    for turn in 0..5 {
        assert_eq!(state(&program, failing.addr()), "UP", "after {turn} failures");
        let pair = [client.get("/").status(), client.get("/").status()];
        assert!(pair == [500, 200] || pair == [200, 500], "a 500 is the backend's answer, and passed on: {pair:?}");
    }
    assert_eq!(state(&program, failing.addr()), "EJECTED");
    (0..20).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(failing.connections(), 5);
}

fn a_success_between_begins_the_count_anew(ctx: &Context) {
    let moody = Backend::start(|conn| {
        let index = conn.index;
        answer_all(conn, |_| if index % 5 == 4 { ok_response("fine") } else { failure() });
    });
    let well = Backend::ok("well");
    let program = ctx.start(&[moody.addr(), well.addr()], &EJECTING);
    let mut client = program.client();
    (0..50).for_each(|_| drop(client.get("/")));
    assert_eq!(state(&program, moody.addr()), "UP");
    assert_eq!(moody.connections(), 25);
}

fn resets_eject_too(ctx: &Context) {
    let resetting = Backend::start(|conn| {
        if conn.request().is_ok() {
            conn.reset();
        }
    });
    let well = Backend::ok("well");
    let program = ctx.start(&[resetting.addr(), well.addr()], &EJECTING);
    let mut client = program.client();
    (0..30).for_each(|_| assert_eq!(client.get("/").status(), 200, "each GET is retried on the other one"));
    assert_eq!(state(&program, resetting.addr()), "EJECTED");
    assert_eq!(resetting.connections(), 5);
}

fn ejections_of_most_are_not_believed(ctx: &Context) {
    let failing = [Backend::answering(failure()), Backend::answering(failure())];
    let well = Backend::ok("well");
    let program = ctx.start(&[failing[0].addr(), failing[1].addr(), well.addr()], &EJECTING);
    let mut client = program.client();
    (0..15).for_each(|_| drop(client.get("/")));
    for backend in &failing {
        // The record follows the answer, and the table may be quicker than it.
        until_state(&program, backend.addr(), "EJECTED");
    }
    (0..9).for_each(|_| drop(client.get("/")));
    assert_eq!(well.connections(), 5 + 3, "one of three must not carry the load of all");
}

fn an_ejected_one_is_let_back_in(ctx: &Context) {
    let subject = Backend::start(|conn| {
        let index = conn.index;
        answer_all(conn, |_| if index < 5 { failure() } else { ok_response("mended") });
    });
    let well = Backend::ok("well");
    let program = ctx.start(&[subject.addr(), well.addr()], &EJECTING);
    let mut client = program.client();
    (0..12).for_each(|_| drop(client.get("/")));
    until_state(&program, subject.addr(), "EJECTED");
    let back = eventually(Duration::from_secs(45), || (client.get("/").text() == "mended").then_some(()));
    back.expect("after 30 s it is asked again");
    assert_eq!(state(&program, subject.addr()), "UP");
}
