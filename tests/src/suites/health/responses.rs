//! How the responses to live requests change a backend's health: ejection and return.

use std::time::Duration;

use super::{failure, respond_with, state, until_state};
use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::wait::eventually;

cases! { "health";
    Fast five_consecutive_failures_eject,
    Fast a_success_resets_the_failure_count,
    Fast an_applications_500_ejects_only_where_asked_for,
    Fast resets_eject_too,
    Fast ejection_of_most_backends_starts_panic_mode,
    Full an_ejected_backend_gets_requests_again,
}

const EJECTING: [&str; 2] = ["--eject-after", "5"];

fn five_consecutive_failures_eject(ctx: &Context) {
    let (failing, healthy) = (Backend::answering(failure()), Backend::ok("healthy"));
    let program = ctx.start(&[failing.addr(), healthy.addr()], &EJECTING);
    let mut client = program.client();
    for turn in 0..5 {
        assert_eq!(state(&program, failing.addr()), "UP", "after {turn} failures");
        let pair = [client.get("/").status(), client.get("/").status()];
        assert!(pair == [503, 200] || pair == [200, 503], "a 503 of the backend is forwarded: {pair:?}");
    }
    assert_eq!(state(&program, failing.addr()), "EJECTED");
    (0..20).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(failing.connections(), 5);
}

fn a_success_resets_the_failure_count(ctx: &Context) {
    let moody = Backend::start(|conn| {
        let index = conn.index;
        respond_with(conn, |_| if index % 5 == 4 { ok_response("fine") } else { failure() });
    });
    let healthy = Backend::ok("healthy");
    let program = ctx.start(&[moody.addr(), healthy.addr()], &EJECTING);
    let mut client = program.client();
    (0..50).for_each(|_| drop(client.get("/")));
    assert_eq!(state(&program, moody.addr()), "UP");
    assert_eq!(moody.connections(), 25);
}

fn an_applications_500_ejects_only_where_asked_for(ctx: &Context) {
    let error = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (flags, wanted) in [(&[][..], "UP"), (&["--eject-on", "500-501"], "EJECTED")] {
        let (failing, healthy) = (Backend::answering(error), Backend::ok("healthy"));
        let program = ctx.start(&[failing.addr(), healthy.addr()], &[&EJECTING[..], flags].concat());
        let mut client = program.client();
        (0..14).for_each(|_| drop(client.get("/")));
        until_state(&program, failing.addr(), wanted);
        assert_eq!(failing.connections(), if wanted == "UP" { 7 } else { 5 });
    }
}

fn resets_eject_too(ctx: &Context) {
    let resetting = Backend::start(|conn| {
        if conn.request().is_ok() {
            conn.reset();
        }
    });
    let healthy = Backend::ok("healthy");
    let program = ctx.start(&[resetting.addr(), healthy.addr()], &EJECTING);
    let mut client = program.client();
    (0..30).for_each(|_| assert_eq!(client.get("/").status(), 200, "each GET is retried on the other backend"));
    assert_eq!(state(&program, resetting.addr()), "EJECTED");
    assert_eq!(resetting.connections(), 5);
}

fn ejection_of_most_backends_starts_panic_mode(ctx: &Context) {
    let failing = [Backend::answering(failure()), Backend::answering(failure())];
    let healthy = Backend::ok("healthy");
    let program = ctx.start(&[failing[0].addr(), failing[1].addr(), healthy.addr()], &EJECTING);
    let mut client = program.client();
    (0..15).for_each(|_| drop(client.get("/")));
    for backend in &failing {
        // The failure is recorded after the response is sent, so the table may not show it yet.
        until_state(&program, backend.addr(), "EJECTED");
    }
    (0..9).for_each(|_| drop(client.get("/")));
    assert_eq!(healthy.connections(), 5 + 3, "one backend of three must not get all requests");
}

fn an_ejected_backend_gets_requests_again(ctx: &Context) {
    let subject = Backend::start(|conn| {
        let index = conn.index;
        respond_with(conn, |_| if index < 5 { failure() } else { ok_response("recovered") });
    });
    let healthy = Backend::ok("healthy");
    let program = ctx.start(&[subject.addr(), healthy.addr()], &EJECTING);
    let mut client = program.client();
    (0..12).for_each(|_| drop(client.get("/")));
    until_state(&program, subject.addr(), "EJECTED");
    let back = eventually(Duration::from_secs(45), || (client.get("/").text() == "recovered").then_some(()));
    back.expect("it gets requests again after 30 s");
    assert_eq!(state(&program, subject.addr()), "UP");
}
