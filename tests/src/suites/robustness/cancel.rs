//! A client that resets is gone: its upstream connection is closed, whatever the phase of the exchange.

use crate::Context;
use crate::backend::{Backend, Conn, ok_response};
use crate::case::cases;
use crate::rng::block;
use crate::wait::{ms, pause, until};

cases! { "robustness";
    Fast a_reset_while_waiting_cancels_the_upstream,
    Fast a_reset_during_the_download_cancels_the_upstream,
    Fast a_reset_during_the_upload_cancels_the_upstream,
    Fast a_reset_tunnel_is_torn_down,
    Fast a_thousand_aborted_clients_leave_nothing_behind,
}

/// How soon the backend must see the end. The requirement is 2 s; the rest is slack for a loaded machine.
const CANCEL_DEADLINE: std::time::Duration = ms(4000);

fn assert_cancelled(backend: &Backend) {
    assert!(
        backend.holds_within(CANCEL_DEADLINE, |seen| seen.iter().all(|seen| seen.ended)),
        "the upstream stays open: {:?}",
        backend.recordings()
    );
}

fn a_reset_while_waiting_cancels_the_upstream(ctx: &Context) {
    let backend = Backend::start(Conn::read_until_closed);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.request("GET", "/", "");
    backend.wait_for("the request arrives", |seen| seen.first().is_some_and(|s| s.count > 0));
    client.reset();
    assert_cancelled(&backend);
}

fn a_reset_during_the_download_cancels_the_upstream(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.request().is_ok() {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            let block = block();
            while conn.write(&block) {}
            conn.read_until_closed();
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.request("GET", "/", "");
    client.read_exact(200_000);
    client.reset();
    assert_cancelled(&backend);
    // The same with a backend that has nothing to send at the moment.
    let backend = Backend::start(|conn| {
        if conn.request().is_ok() {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
            conn.read_until_closed();
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.request("GET", "/", "");
    client.response_head("GET").unwrap();
    client.reset();
    assert_cancelled(&backend);
}

fn a_reset_during_the_upload_cancels_the_upstream(ctx: &Context) {
    let backend = Backend::start(Conn::read_until_closed);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.request("POST", "/", "Content-Length: 1000000\r\n");
    client.send(vec![b'x'; 100_000]);
    backend.wait_for("the body arrives", |seen| seen.first().is_some_and(|s| s.count > 50_000));
    client.reset();
    assert_cancelled(&backend);
}

fn a_reset_tunnel_is_torn_down(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.head().is_ok() {
            conn.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
            conn.read_until_closed();
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.request("GET", "/", "Connection: upgrade\r\nUpgrade: websocket\r\n");
    client.response_head("GET").unwrap();
    client.reset();
    assert_cancelled(&backend);
}

fn a_thousand_aborted_clients_leave_nothing_behind(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if conn.request().is_ok() {
            pause(ms(1));
            conn.write(ok_response("x"));
        }
    });
    let mut program = ctx.start(&[backend.addr()], &[]);
    assert_eq!(program.client().get("/").status(), 200);
    let before = program.fds();
    for turn in 0..1000 {
        let mut client = program.client();
        match turn % 4 {
            0 => {}
            1 => client.send("GET / HT"),
            2 => client.request("GET", "/", ""),
            _ => client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nxx"),
        }
        if turn % 8 < 4 {
            client.reset();
        }
    }
    until("every descriptor is closed", || program.fds() <= before + 2);
    program.assert_running();
    assert_eq!(program.client().get("/").status(), 200);
}
