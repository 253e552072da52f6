//! How tunnels end: a FIN in one direction, in both, a RST, the idle timeout, the end of the program.

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use backends::TcpEcho;
use nix::sys::signal::Signal;
use socket2::SockRef;

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::wait::{TEST_TIMEOUT, ms, pause};

use super::{start, tunnel};

cases! { "forward";
    Fast a_half_closed_client_still_receives,
    Fast a_half_closed_server_still_receives,
    Fast a_clients_reset_resets_the_server,
    Fast a_servers_reset_resets_the_client,
    Fast a_silent_tunnel_is_closed_and_a_busy_one_is_not,
    Fast a_drain_waits_for_tunnels_that_end,
    Fast a_drain_cuts_tunnels_at_its_deadline,
}

fn a_half_closed_client_still_receives(ctx: &Context) {
    let program = start(ctx, &[]);
    let backend = Backend::start(|conn| {
        conn.read_until_closed();
        conn.write("the last word");
    });
    let mut client = tunnel(&program, backend.addr());
    client.send("over");
    client.half_close();
    assert_eq!(client.read_until_closed(TEST_TIMEOUT).as_deref(), Some(&b"the last word"[..]));
    assert!(backend.recordings()[0].bytes == b"over");
    let echo = TcpEcho::start().unwrap();
    let mut client = tunnel(&program, echo.addr());
    client.send("echo");
    client.half_close();
    assert_eq!(client.read_until_closed(TEST_TIMEOUT).as_deref(), Some(&b"echo"[..]));
}

fn a_half_closed_server_still_receives(ctx: &Context) {
    let program = start(ctx, &[]);
    let backend = Backend::start(|conn| {
        conn.write("bye");
        conn.half_close();
        conn.read_until_closed();
    });
    let mut client = tunnel(&program, backend.addr());
    assert_eq!(client.read_until_closed(TEST_TIMEOUT).as_deref(), Some(&b"bye"[..]));
    client.send("heard after the FIN");
    backend.wait_for("bytes after its FIN", |seen| seen[0].bytes == b"heard after the FIN");
    client.half_close();
    backend.wait_for("the end", |seen| seen[0].ended);
}

fn a_clients_reset_resets_the_server(ctx: &Context) {
    let (program, listener) = (start(ctx, &[]), TcpListener::bind("127.0.0.1:0").unwrap());
    let client = tunnel(&program, listener.local_addr().unwrap());
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    client.reset();
    let error = server.read(&mut [0; 1]).expect_err("a FIN would look like a complete stream");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

fn a_servers_reset_resets_the_client(ctx: &Context) {
    let (program, listener) = (start(ctx, &[]), TcpListener::bind("127.0.0.1:0").unwrap());
    let client = tunnel(&program, listener.local_addr().unwrap());
    let (server, _) = listener.accept().unwrap();
    SockRef::from(&server).set_linger(Some(Duration::ZERO)).unwrap();
    drop(server);
    let error = client.stream().read(&mut [0; 1]).expect_err("a FIN would look like a complete stream");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

fn a_silent_tunnel_is_closed_and_a_busy_one_is_not(ctx: &Context) {
    let (echo, program) = (TcpEcho::start().unwrap(), start(ctx, &["--tunnel-timeout", "1s"]));
    let (mut silent, mut busy) = (tunnel(&program, echo.addr()), tunnel(&program, echo.addr()));
    let began = Instant::now();
    for _ in 0..8 {
        pause(ms(300));
        busy.send("x");
        assert_eq!(busy.read_exact(1), b"x");
    }
    silent.expect_closed();
    assert!(began.elapsed() >= ms(1000));
    busy.expect_closed();
}

fn a_drain_waits_for_tunnels_that_end(ctx: &Context) {
    let (echo, mut program) = (TcpEcho::start().unwrap(), start(ctx, &["--drain-timeout", "60s"]));
    let mut client = tunnel(&program, echo.addr());
    program.signal(Signal::SIGTERM);
    assert!(program.wait(ms(500)).is_none(), "it does not wait for the tunnel");
    client.send("still");
    assert_eq!(client.read_exact(5), b"still");
    client.half_close();
    client.expect_closed();
    drop(client);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
}

fn a_drain_cuts_tunnels_at_its_deadline(ctx: &Context) {
    let (echo, mut program) = (TcpEcho::start().unwrap(), start(ctx, &["--drain-timeout", "1s"]));
    let mut clients: Vec<_> = (0..3).map(|_| tunnel(&program, echo.addr())).collect();
    let began = Instant::now();
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    assert!(began.elapsed() >= ms(900), "cut after {:?}", began.elapsed());
    for client in &mut clients {
        client.expect_closed();
    }
}
