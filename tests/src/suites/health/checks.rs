//! What the results of the checks add up to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Patient, answer_all, failure, patients, state, until_state};
use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::runner::cases;
use crate::suites::reserved;
use crate::wait::{ms, pause, until};

cases! { "health";
    Fast one_that_fails_its_checks_is_out_and_comes_back_without_traffic,
    Fast fewer_failures_than_fall_are_noise,
    Fast three_failures_take_it_out_and_no_sooner,
    Fast fewer_successes_than_rise_do_not_bring_it_back,
    Fast the_first_check_of_a_new_one_decides,
    Fast when_most_fail_their_checks_all_are_used,
    Fast in_panic_one_that_refused_stays_out,
}

fn one_that_fails_its_checks_is_out_and_comes_back_without_traffic(ctx: &Context) {
    let ([a, b, c], addrs) = patients(["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--check", "http:/health,interval=50ms"]);
    let mut client = program.client();
    (0..6).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(a.requests(), 2);
    a.be_well(false);
    until_state(&program, a.addr(), "DOWN");
    let before = a.requests();
    (0..12).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(a.requests(), before, "it is out");
    assert_eq!(b.requests() + c.requests(), 16);
    a.be_well(true);
    until_state(&program, a.addr(), "UP");
    assert_eq!(a.requests(), before, "no request was needed for that");
    (0..6).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(a.requests(), before + 2, "its full share at once, without slow start");
}

/// A backend whose checks succeed (`+`) or fail (`-`) as `script` says, and then as its last sign does.
fn scripted(script: &'static str, checks: &Arc<AtomicUsize>) -> Backend {
    let counted = Arc::clone(checks);
    Backend::start(move |conn| {
        answer_all(conn, |request| {
            if request.head.target != "/health" {
                return ok_response("scripted");
            }
            let number = counted.fetch_add(1, Ordering::SeqCst);
            if script.as_bytes()[number.min(script.len() - 1)] == b'+' { ok_response("well") } else { failure() }
        });
    })
}

/// The states that the table shows while the checks go through the script, without repetitions.
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

fn fewer_failures_than_fall_are_noise(ctx: &Context) {
    assert_eq!(states(ctx, "+--+--+--+--+--+", "fall=3,rise=1"), ["UP"]);
}

fn three_failures_take_it_out_and_no_sooner(ctx: &Context) {
    let checks = Arc::new(AtomicUsize::new(0));
    let backend = scripted("++-", &checks);
    let program = ctx.start(&[backend.addr()], &["--check", "http:/health,interval=80ms,fall=3"]);
    let mut seen_up_after = 0;
    until("it is down", || {
        // Read before the table is asked for: what is answered later cannot be in it.
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

fn fewer_successes_than_rise_do_not_bring_it_back(ctx: &Context) {
    assert_eq!(states(ctx, "-++-++-++-++-++-", "fall=1,rise=3").last().unwrap(), "DOWN");
    let states = states(ctx, "-++-+++", "fall=1,rise=3");
    assert!(states == ["UP", "DOWN", "UP"] || states == ["DOWN", "UP"], "{states:?}");
}

fn the_first_check_of_a_new_one_decides(ctx: &Context) {
    let checks = Arc::new(AtomicUsize::new(0));
    let backend = scripted("-", &checks);
    let program = ctx.start(&[backend.addr()], &["--check", "http:/health,interval=1h,fast=1h,fall=100"]);
    until_state(&program, backend.addr(), "DOWN");
    assert_eq!(checks.load(Ordering::SeqCst), 1);
}

fn when_most_fail_their_checks_all_are_used(ctx: &Context) {
    let ([a, b, c], addrs) = patients(["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--check", "http:/health,interval=50ms"]);
    for patient in [&a, &b] {
        patient.be_well(false);
    }
    for patient in [&a, &b] {
        until_state(&program, patient.addr(), "DOWN");
    }
    let mut client = program.client();
    (0..9).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!([&a, &b, &c].map(Patient::requests), [3, 3, 3], "one of three is too few to be believed");
    until("it says so", || program.stderr().contains("1 of 3"));
    a.be_well(true);
    until_state(&program, a.addr(), "UP");
    let before = b.requests();
    (0..9).for_each(|_| assert_eq!(client.get("/").status(), 200));
    assert_eq!(b.requests(), before, "two of three are believed again");
    until("it says so again", || program.stderr().contains("2 of 3"));
}

fn in_panic_one_that_refused_stays_out(ctx: &Context) {
    let ([a, b], mut addrs) = patients(["a", "b"]);
    let dead = reserved();
    addrs.push(dead.addr);
    let flags = ["--check", "http:/health,interval=50ms", "--down-time", "60s"];
    let program = ctx.start(&addrs, &flags);
    for patient in [&a, &b] {
        patient.be_well(false);
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
