//! How sessions end: resets, time-outs, and the end of the process.

use nix::sys::signal::Signal;

use super::{Listening, Peer, expect_ended, session, start, wait_until_accepted, wait_until_closed};
use crate::Context;
use crate::black_hole::black_hole;
use crate::case::cases;
use crate::wait::{TEST_TIMEOUT, ms, pause, until};

cases! { "layer4";
    Fast a_reset_is_passed_on_as_a_reset,
    Fast a_reset_is_passed_on_though_nobody_reads,
    Fast a_reset_that_is_found_by_a_send_is_no_fin,
    Fast a_reset_is_noticed_in_a_half_closed_session,
    Fast a_session_without_bytes_is_reset,
    Slow a_session_with_bytes_now_and_then_goes_on,
    Fast a_half_closed_session_without_bytes_is_reset,
    Fast draining_waits_for_sessions,
    Fast what_does_not_end_in_time_is_reset,
    Fast a_session_that_waits_for_a_backend_ends_with_the_process,
    Fast descriptors_return_to_their_number,
}

/// Without a threshold, so that the first bytes are in a pipe too.
const SPLICE: &[&str] = &["--splice-threshold", "0"];

fn a_reset_is_passed_on_as_a_reset(ctx: &Context) {
    for flags in [SPLICE, &["--copy"]] {
        let backend = Listening::start();
        let program = start(ctx, &[&backend], flags);
        let (mut client, mut server) = session(&program, &backend);
        client.send("hello");
        server.expect("hello");
        client.reset();
        server.expect_reset();
        expect_ended(&program, "client_reset", 1);
        let (mut client, server) = session(&program, &backend);
        server.reset();
        client.expect_reset();
        expect_ended(&program, "backend_reset", 1);
    }
}

/// All buffers are full, so the balancer reads from neither side, and so do both sides.
fn a_reset_is_passed_on_though_nobody_reads(ctx: &Context) {
    for flags in [SPLICE, &["--copy"]] {
        let backend = Listening::start();
        let program = start(ctx, &[&backend], flags);
        let (client, mut server) = session(&program, &backend);
        assert!(server.send_until_blocked() > 0);
        client.reset();
        server.expect_reset_without_reading();
        let (mut client, mut server) = session(&program, &backend);
        assert!(server.send_until_blocked() > 0 && client.send_until_blocked() > 0);
        server.reset();
        client.expect_reset_without_reading();
        let (mut client, mut server) = session(&program, &backend);
        assert!(client.send_until_blocked() > 0);
        client.reset();
        server.expect_reset();
        // The one that sends is not read from, and nothing is sent to it.
        let (mut client, mut server) = session(&program, &backend);
        assert!(server.send_until_blocked() > 0);
        server.reset();
        client.expect_reset_without_reading();
        expect_ended(&program, "client_reset", 2);
        expect_ended(&program, "backend_reset", 2);
    }
}

/// A failed send takes the error of its socket: then a read finds no error, but an end. The balancer is stopped until
/// there is something to send, so that it finds both at once.
fn a_reset_that_is_found_by_a_send_is_no_fin(ctx: &Context) {
    for flags in [SPLICE, &["--copy"]] {
        let backend = Listening::start();
        let program = start(ctx, &[&backend], flags);
        for to_client in [&b""[..], b"some"] {
            let (mut client, mut server) = session(&program, &backend);
            client.send("x");
            server.expect("x");
            program.stop();
            server.send(to_client);
            server.reset();
            client.send("y");
            program.signal(Signal::SIGCONT);
            client.expect_reset();
        }
        expect_ended(&program, "backend_reset", 2);
    }
}

fn a_reset_is_noticed_in_a_half_closed_session(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &[]);
    let (client, mut server) = session(&program, &backend);
    client.half_close();
    server.expect_fin();
    client.reset();
    server.expect_reset_without_reading();
    expect_ended(&program, "client_reset", 1);
}

fn a_session_without_bytes_is_reset(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--session-timeout", "300ms"]);
    let (mut client, mut server) = session(&program, &backend);
    client.expect_reset();
    server.expect_reset();
    expect_ended(&program, "idle", 1);
}

fn a_session_with_bytes_now_and_then_goes_on(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--session-timeout", "2s"]);
    let (mut client, mut server) = session(&program, &backend);
    for byte in 0..4 {
        pause(ms(700));
        // Only one direction has bytes.
        server.send([byte]);
        client.expect([byte]);
    }
    drop(server);
    client.expect_fin();
    drop(client);
    expect_ended(&program, "done", 1);
}

fn a_half_closed_session_without_bytes_is_reset(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--session-timeout", "300ms"]);
    let (mut client, mut server) = session(&program, &backend);
    client.half_close();
    server.expect_fin();
    client.expect_reset();
    expect_ended(&program, "idle", 1);
}

fn draining_waits_for_sessions(ctx: &Context) {
    let backend = Listening::start();
    let mut program = start(ctx, &[&backend], &[]);
    let (mut client, mut server) = session(&program, &backend);
    program.signal(Signal::SIGTERM);
    wait_until_closed(&program);
    client.send("still here");
    server.expect("still here");
    server.send("yes");
    drop(server);
    client.expect("yes");
    client.expect_fin();
    drop(client);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    program.wait_stdout("\nended done 1\n");
}

fn what_does_not_end_in_time_is_reset(ctx: &Context) {
    for (flags, second_signal) in [(&["--drain-timeout", "300ms"][..], false), (&[], true)] {
        let backend = Listening::start();
        let mut program = start(ctx, &[&backend], flags);
        let (mut client, mut server) = session(&program, &backend);
        program.signal(Signal::SIGTERM);
        if second_signal {
            wait_until_closed(&program);
            program.signal(Signal::SIGTERM);
        }
        client.expect_reset();
        server.expect_reset();
        program.exit_code(TEST_TIMEOUT);
        program.wait_stdout("\nended drained 1\n");
    }
}

fn a_session_that_waits_for_a_backend_ends_with_the_process(ctx: &Context) {
    let hole = black_hole();
    let mut program = ctx.start(&[hole.addr], &["--connect-timeout", "1h", "--drain-timeout", "300ms"]);
    let mut client = Peer::connect(&program);
    wait_until_accepted(&program, 1);
    program.signal(Signal::SIGTERM);
    client.expect_reset();
    program.exit_code(TEST_TIMEOUT);
    program.wait_stdout("\nended drained 1\n");
}

/// Whatever happens to sessions, in the end there are as many descriptors as at first, but for the pipes that are kept.
fn descriptors_return_to_their_number(ctx: &Context) {
    const MAX_PIPE_FDS: usize = 2 * 32 * 2;
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--workers", "2", "--splice-threshold", "0"]);
    let fds = program.fds();
    for round in 0..40 {
        let (mut client, mut server) = session(&program, &backend);
        match round % 4 {
            0 => server.expect_fin_after(client),
            1 => client.reset(),
            2 => {
                server.send_until_blocked();
                server.reset();
                client.expect_reset_without_reading();
            }
            _ => {
                client.send(vec![1; 100_000]);
                client.reset();
            }
        }
    }
    until("all descriptors are closed but those of pipes", || program.fds() <= fds + MAX_PIPE_FDS);
    let (mut client, mut server) = session(&program, &backend);
    client.send("still good");
    server.expect("still good");
}

impl Peer {
    /// The other end closes.
    fn expect_fin_after(&mut self, other: Self) {
        drop(other);
        self.expect_fin();
    }
}
