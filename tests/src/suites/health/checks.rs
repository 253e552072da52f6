//! How check results change the state of a backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{CheckedBackend, checked_backends, failure, respond_with, state, until_state};
use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::suites::support::reserved_port;
use crate::wait::{ms, pause, until};

cases! { "health";
    Fast a_backend_that_fails_its_checks_goes_down_and_recovers_without_traffic,
    Fast fewer_failures_than_fall_change_nothing,
    Fast three_failures_take_a_backend_down_and_no_fewer,
    Fast fewer_successes_than_rise_do_not_bring_a_backend_up,
    Fast the_first_check_of_a_new_backend_decides,
    Fast panic_mode_uses_all_backends_when_most_fail_their_checks,
    Fast panic_mode_skips_a_backend_that_refused_a_connect,
}

fn a_backend_that_fails_its_checks_goes_down_and_recovers_without_traffic(ctx: &Context) {
    let ([a, b, c], addrs) = checked_backends(["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--check", "http:/health,interval=50ms"]);
    let mut client = program.client();
    (0..6).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(a.requests(), 2);
    a.set_healthy(false);
    until_state(&program, a.addr(), "DOWN");
    let before = a.requests();
    (0..12).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(a.requests(), before, "it is down");
    assert_eq!(b.requests() + c.requests(), 16);
    a.set_healthy(true);
    until_state(&program, a.addr(), "UP");
    assert_eq!(a.requests(), before, "it went down without a request");
    (0..6).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(a.requests(), before + 2, "its full share at once, without slow start");
}

/// A backend whose checks succeed (`+`) or fail (`-`) in the order of `script`; the last sign repeats.
fn scripted(script: &'static str, checks: &Arc<AtomicUsize>) -> Backend {
    let counted = Arc::clone(checks);
    Backend::start(move |conn| {
        respond_with(conn, |request| {
            if request.head.target != "/health" {
                return ok_response("scripted");
            }
            let number = counted.fetch_add(1, Ordering::SeqCst);
            if script.as_bytes()[number.min(script.len() - 1)] == b'+' { ok_response("healthy") } else { failure() }
        });
    })
}

/// The states that the table shows while the checks follow the script, without repetitions.
fn states(ctx: &Context, script: &'static str, options: &str) -> Vec<String> {
    let checks = Arc::new(AtomicUsize::new(0));
    let backend = scripted(script, &checks);
    let flag = format!("http:/health,interval=60ms,{options}");
    let program = ctx.start(&[backend.addr()], &["--check", &flag]);
    let mut states = Vec::new();
    until("the end of the script", || {
        states.push(state(&program, backend.addr()));
        checks.load(Ordering::SeqCst) > script.len() + 2
    });
    states.dedup();
    states
}

fn fewer_failures_than_fall_change_nothing(ctx: &Context) {
    assert_eq!(states(ctx, "+--+--+--+--+--+", "fall=3,rise=1"), ["UP"]);
}

fn three_failures_take_a_backend_down_and_no_fewer(ctx: &Context) {
    let checks = Arc::new(AtomicUsize::new(0));
    let backend = scripted("++-", &checks);
    let program = ctx.start(&[backend.addr()], &["--check", "http:/health,interval=80ms,fall=3"]);
    let mut seen_up_after = 0;
    until("it is down", || {
        // Read before the table is requested: a check that is answered later cannot be in it.
        let failed = checks.load(Ordering::SeqCst).saturating_sub(2);
        let is_down = state(&program, backend.addr()) == "DOWN";
        let failed_by_now = checks.load(Ordering::SeqCst).saturating_sub(2);
        if is_down {
            assert!(failed_by_now >= 3, "down after {failed_by_now} failures");
        } else {
            seen_up_after = failed;
        }
        is_down
    });
    assert!(seen_up_after <= 3, "up still after {seen_up_after} failures");
}

fn fewer_successes_than_rise_do_not_bring_a_backend_up(ctx: &Context) {
    assert_eq!(states(ctx, "-++-++-++-++-++-", "fall=1,rise=3").last().unwrap(), "DOWN");
    let states = states(ctx, "-++-+++", "fall=1,rise=3");
    assert!(states == ["UP", "DOWN", "UP"] || states == ["DOWN", "UP"], "{states:?}");
}

fn the_first_check_of_a_new_backend_decides(ctx: &Context) {
    let checks = Arc::new(AtomicUsize::new(0));
    let backend = scripted("-", &checks);
    let program = ctx.start(&[backend.addr()], &["--check", "http:/health,interval=1h,fast=1h,fall=100"]);
    until_state(&program, backend.addr(), "DOWN");
    assert_eq!(checks.load(Ordering::SeqCst), 1);
}

fn panic_mode_uses_all_backends_when_most_fail_their_checks(ctx: &Context) {
    let ([a, b, c], addrs) = checked_backends(["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--check", "http:/health,interval=50ms"]);
    for patient in [&a, &b] {
        patient.set_healthy(false);
    }
    for patient in [&a, &b] {
        until_state(&program, patient.addr(), "DOWN");
    }
    let mut client = program.client();
    (0..9).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(
        [&a, &b, &c].map(CheckedBackend::requests),
        [3, 3, 3],
        "panic mode: one healthy backend of three is too few"
    );
    until("panic mode is logged", || program.stderr().contains("1 of 3"));
    a.set_healthy(true);
    until_state(&program, a.addr(), "UP");
    let before = b.requests();
    (0..9).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(b.requests(), before, "health status counts again with two of three");
    until("the end of panic mode is logged", || program.stderr().contains("2 of 3"));
}

fn panic_mode_skips_a_backend_that_refused_a_connect(ctx: &Context) {
    let ([a, b], mut addrs) = checked_backends(["a", "b"]);
    let dead = reserved_port();
    addrs.push(dead.addr);
    let flags = ["--check", "http:/health,interval=50ms", "--down-time", "60s"];
    let program = ctx.start(&addrs, &flags);
    for patient in [&a, &b] {
        patient.set_healthy(false);
        until_state(&program, patient.addr(), "DOWN");
    }
    until_state(&program, dead.addr, "DOWN");
    let mut client = program.client();
    for _ in 0..12 {
        assert_eq!(client.get("/").status(), 200);
        pause(ms(2));
    }
    assert_eq!((a.requests(), b.requests()), (6, 6));
}
