//! How the process ends, and what is left.

use nix::sys::signal::Signal;

use super::{Peer, ask_all, echoes, expect_statistic, start_echoing};
use crate::Context;
use crate::case::cases;
use crate::suites::layer4::statistic;
use crate::wait::{TEST_TIMEOUT, ms, until};

cases! { "udp";
    Fast draining_serves_known_flows_until_they_expire,
    Fast flows_stay_with_their_workers_in_a_drain,
    Fast a_drain_without_flows_ends_at_once,
    Fast what_has_not_expired_in_time_is_ended,
    Fast descriptors_return_to_their_number,
}

fn draining_serves_known_flows_until_they_expire(ctx: &Context) {
    let backends = echoes(2);
    let mut program = start_echoing(ctx, &backends, &["--udp-timeout", "2s", "--workers", "2"]);
    let known = Peer::of(&program);
    let name = known.ask("who?");
    program.signal(Signal::SIGTERM);
    let stranger = Peer::of(&program);
    until("a new flow is dropped", || {
        Peer::of(&program).send("new");
        statistic(&program, "dropped draining") > 0
    });
    for _ in 0..4 {
        assert_eq!(known.ask("who?"), name);
        stranger.send("new");
        assert!(stranger.receive_within(ms(50)).is_none());
    }
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    // A flow may have begun while the signal was on its way.
    let printed = program.wait_stdout("\nended idle ");
    assert!(!printed.contains("ended drained"), "{printed}");
}

/// Workers without flows must not close their sockets: the kernel would give other workers' datagrams to the wrong one.
fn flows_stay_with_their_workers_in_a_drain(ctx: &Context) {
    let backends = echoes(1);
    let program = start_echoing(ctx, &backends, &["--workers", "8"]);
    let clients: Vec<_> = (0..5).map(|_| Peer::of(&program)).collect();
    ask_all(&clients, "who?");
    program.signal(Signal::SIGTERM);
    // One per worker, so that each has noticed.
    until("new flows are dropped", || {
        for _ in 0..60 {
            Peer::of(&program).send("new");
        }
        statistic(&program, "dropped draining") >= 60
    });
    for _ in 0..3 {
        ask_all(&clients, "still there?");
    }
}

fn a_drain_without_flows_ends_at_once(ctx: &Context) {
    let backends = echoes(1);
    let mut program = start_echoing(ctx, &backends, &["--drain-timeout", "1h"]);
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn what_has_not_expired_in_time_is_ended(ctx: &Context) {
    for (flags, second_signal) in [(&["--drain-timeout", "300ms"][..], false), (&[], true)] {
        let backends = echoes(1);
        let mut program = start_echoing(ctx, &backends, &[&["--udp-timeout", "1h"], flags].concat());
        Peer::of(&program).ask("who?");
        program.signal(Signal::SIGTERM);
        if second_signal {
            until("the drain has begun", || {
                Peer::of(&program).send("new");
                statistic(&program, "dropped draining") > 0
            });
            program.signal(Signal::SIGTERM);
        }
        program.exit_code(TEST_TIMEOUT);
        program.wait_stdout("\nended drained ");
    }
}

fn descriptors_return_to_their_number(ctx: &Context) {
    let mut backends = echoes(2);
    let program = start_echoing(ctx, &backends, &["--udp-timeout", "500ms", "--workers", "2"]);
    // The workers have all that is theirs when they have served a client.
    ask_all(&(0..60).map(|_| Peer::of(&program)).collect::<Vec<_>>(), "who?");
    expect_statistic(&program, "ended idle", 60);
    let fds = program.fds();
    for round in 0..3 {
        let clients: Vec<_> = (0..40).map(|_| Peer::of(&program)).collect();
        ask_all(&clients, "who?");
        if round == 2 {
            backends.remove(0);
        }
        for client in &clients {
            client.ask_until_answered("who?");
        }
    }
    until("all sockets are closed", || program.fds() == fds);
    expect_statistic(&program, "worker 0:", 0);
}
