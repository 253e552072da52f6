//! Which backend gets a session: algorithms, failover, limits and health.

use std::net::SocketAddr;

use super::{Listening, Peer, expect_ended, session, start, statistic};
use crate::Context;
use crate::backend::reserved_port;
use crate::black_hole::black_hole;
use crate::case::cases;
use crate::process::Program;
use crate::wait::{ms, pause, until};

cases! { "layer4";
    Fast sessions_take_turns,
    Fast the_backend_with_the_fewest_sessions_is_next,
    Fast a_client_stays_with_its_backend_by_address,
    Fast a_refused_connect_goes_to_the_next_backend,
    Fast a_connect_that_times_out_goes_to_the_next_backend,
    Fast without_a_backend_the_client_is_reset,
    Fast sessions_beyond_the_limit_wait,
    Fast a_queued_session_is_given_up_in_time,
    Fast health_checks_take_a_backend_out,
    Fast a_backend_that_resets_is_ejected,
}

/// A session with whichever backend it goes to: its position, and both ends.
fn open_session(program: &Program, backends: &[&Listening]) -> (usize, Peer, Peer) {
    let (client, mut server) = (Peer::connect(program), None);
    until("a backend is reached", || {
        let accepted = |(position, backend): (usize, &&Listening)| Some((position, backend.accept_within(ms(0))?));
        server = backends.iter().enumerate().find_map(accepted);
        server.is_some()
    });
    let (position, server) = server.unwrap();
    (position, client, server)
}

/// The positions of the backends that the next `count` sessions reach.
fn reached(program: &Program, backends: &[&Listening], count: usize) -> Vec<usize> {
    (0..count).map(|_| open_session(program, backends).0).collect()
}

fn sessions_take_turns(ctx: &Context) {
    let (a, b, c) = (Listening::start(), Listening::start(), Listening::start());
    let program = start(ctx, &[&a, &b, &c], &[]);
    let reached = reached(&program, &[&a, &b, &c], 9);
    for backend in 0..3 {
        assert_eq!(reached.iter().filter(|reached| **reached == backend).count(), 3, "{reached:?}");
    }
}

fn the_backend_with_the_fewest_sessions_is_next(ctx: &Context) {
    let backends = [&Listening::start(), &Listening::start()];
    let program = start(ctx, &backends, &["-a", "lc"]);
    let mut open: Vec<_> = (0..4).map(|_| open_session(&program, &backends)).collect();
    let sessions_of =
        |open: &[(usize, Peer, Peer)], backend| open.iter().filter(|session| session.0 == backend).count();
    assert_eq!((sessions_of(&open, 0), sessions_of(&open, 1)), (2, 2));
    open.retain(|session| session.0 == 1);
    expect_ended(&program, "done", 2);
    open.extend((0..2).map(|_| open_session(&program, &backends)));
    assert_eq!((sessions_of(&open, 0), sessions_of(&open, 1)), (2, 2));
}

fn a_client_stays_with_its_backend_by_address(ctx: &Context) {
    let (a, b, c) = (Listening::start(), Listening::start(), Listening::start());
    let program = start(ctx, &[&a, &b, &c], &["-a", "iphash"]);
    let reached = reached(&program, &[&a, &b, &c], 6);
    assert!(reached.iter().all(|backend| *backend == reached[0]), "{reached:?}");
}

fn a_refused_connect_goes_to_the_next_backend(ctx: &Context) {
    let (alive, dead) = (Listening::start(), reserved_port());
    let program = ctx.start(&[dead.addr, alive.addr()], &[]);
    for _ in 0..6 {
        let (mut client, mut server) = session(&program, &alive);
        client.send("x");
        server.expect("x");
    }
    expect_ended(&program, "done", 6);
}

fn a_connect_that_times_out_goes_to_the_next_backend(ctx: &Context) {
    let (hole, alive) = (black_hole(), Listening::start());
    let program = ctx.start(&[hole.addr, alive.addr()], &["--connect-timeout", "200ms"]);
    for _ in 0..2 {
        let (mut client, mut server) = session(&program, &alive);
        client.send("x");
        server.expect("x");
    }
    let program = ctx.start(&[hole.addr], &["--connect-timeout", "200ms"]);
    Peer::connect(&program).expect_reset();
    expect_ended(&program, "connect_timeout", 1);
}

fn without_a_backend_the_client_is_reset(ctx: &Context) {
    let dead: Vec<_> = (0..2).map(|_| reserved_port()).collect();
    let addrs: Vec<SocketAddr> = dead.iter().map(|port| port.addr).collect();
    let program = ctx.start(&addrs, &[]);
    Peer::connect(&program).expect_reset();
    expect_ended(&program, "no_backend", 1);
    assert_eq!(statistic(&program, "failed"), 1);
}

fn sessions_beyond_the_limit_wait(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--max-connections", "1"]);
    let (first, server) = session(&program, &backend);
    let mut second = Peer::connect(&program);
    second.send("early");
    second.half_close(); // and yet it waits: a FIN is no reason to leave
    assert!(backend.accept_within(ms(200)).is_none(), "the second session waits");
    drop((first, server));
    backend.accept().expect("early");
}

fn a_queued_session_is_given_up_in_time(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--max-connections", "1", "--queue-timeout", "200ms"]);
    let _open = session(&program, &backend);
    Peer::connect(&program).expect_reset();
    expect_ended(&program, "no_backend", 1);
    // One whose client leaves is not given a slot.
    let program = start(ctx, &[&backend], &["--max-connections", "1", "--queue-timeout", "1h"]);
    let (first, server) = session(&program, &backend);
    let queued = Peer::connect(&program);
    pause(ms(100));
    queued.reset();
    expect_ended(&program, "client_reset", 1);
    drop((first, server));
    assert!(backend.accept_within(ms(200)).is_none());
}

fn health_checks_take_a_backend_out(ctx: &Context) {
    let (alive, dead) = (Listening::start(), reserved_port());
    let check = ["--check", "tcp,interval=50ms,fall=1", "--admin", "127.0.0.1:0"];
    let program = ctx.start(&[alive.addr(), dead.addr], &check);
    let admin = crate::admin_client::AdminClient::of(&program);
    until("the dead backend is down", || {
        let backends = admin.request_ok("GET", "/backends", "");
        backends["backends"].as_array().unwrap().iter().any(|backend| backend["state"] == "DOWN")
    });
}

fn a_backend_that_resets_is_ejected(ctx: &Context) {
    let (bad, good) = (Listening::start(), Listening::start());
    let program = start(ctx, &[&bad, &good], &["--eject-after", "3", "--breaker", "0"]);
    for _ in 0..3 {
        let (first, second) = (Peer::connect(&program), Peer::connect(&program));
        bad.accept().reset();
        drop(good.accept());
        drop((first, second));
    }
    expect_ended(&program, "backend_reset", 3);
    for _ in 0..4 {
        let _client = Peer::connect(&program);
        good.accept();
    }
    assert!(bad.accept_within(ms(0)).is_none(), "it is ejected");
}
