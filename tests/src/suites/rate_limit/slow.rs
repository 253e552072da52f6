//! Clients that hold what others need: connections without requests, bodies that hardly move.

use std::thread;
use std::time::{Duration, Instant};

use super::{backend, passed};
use crate::Context;
use crate::admin_client::AdminClient;
use crate::case::cases;
use crate::client::Client;
use crate::suites::local_reply;
use crate::wait::{ms, pause, until};

cases! { "rate_limit";
    Fast an_address_has_so_many_connections_and_gets_them_back,
    Fast workers_share_the_limit_on_connections,
    Slow a_body_slower_than_the_minimum_is_answered_with_408,
}

fn an_address_has_so_many_connections_and_gets_them_back(ctx: &Context) {
    let backend = backend();
    let flags = ["--max-clients-per-ip", "3", "--admin", "127.0.0.1:0"];
    let program = ctx.start(&[backend.addr()], &flags);
    let mut clients: Vec<_> = (0..3).map(|_| program.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status(), 200);
    }
    program.client().expect_closed();
    // Another address is not affected.
    let mut other = Client::connect_from([127, 0, 0, 2].into(), program.addr());
    assert_eq!(other.get("/").status(), 200);
    drop(clients.pop());
    until("the closed one is not counted any more", || {
        let mut client = program.client();
        client.try_send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_ok() && client.try_response("GET").is_ok()
    });
    assert_eq!(passed(&mut clients[0], "/", "", 5), 5);
    let refused = AdminClient::of(&program).request_ok("GET", "/limits", "")["connections_refused"].as_u64();
    assert!(refused >= Some(1), "{refused:?}");
}

fn workers_share_the_limit_on_connections(ctx: &Context) {
    let backend = backend();
    let program = ctx.start(&[backend.addr()], &["--max-clients-per-ip", "5", "--workers", "2"]);
    let mut served = 0;
    let mut clients: Vec<_> = (0..12).map(|_| program.client()).collect();
    for client in &mut clients {
        let sent = client.try_send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        served += usize::from(sent.is_ok() && client.try_response("GET").is_ok());
    }
    assert_eq!(served, 5);
}

/// Sends a body of a megabyte in pieces, one every 50 ms, until the program answers or 6.5 s are over; returns after how
/// long.
fn drip(client: &mut Client, piece: &[u8]) -> Duration {
    client.request("POST", "/", "Content-Length: 1048576\r\n");
    let began = Instant::now();
    while !client.has_unread_input() && client.try_send(piece).is_ok() && began.elapsed() < ms(6_500) {
        pause(ms(50));
    }
    began.elapsed()
}

/// Every piece is progress, so no stall ends either of them.
fn a_body_slower_than_the_minimum_is_answered_with_408(ctx: &Context) {
    let backend = backend();
    let program = ctx.start(&[backend.addr()], &["--min-body-rate", "4KiB"]);
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let mut client = program.client();
            let lasted = drip(&mut client, &[b'x'; 50]); // 1,000 bytes per second
            (lasted, client)
        });
        let steady = scope.spawn(|| drip(&mut program.client(), &[b'x'; 2_000])); // 40,000
        let (lasted, mut client) = slow.join().unwrap();
        assert!((ms(4_500)..ms(6_400)).contains(&lasted), "{lasted:?}");
        local_reply::assert_local(&client.response("POST"), 408);
        client.expect_closed();
        let lasted = steady.join().unwrap();
        assert!(lasted >= ms(6_500), "{lasted:?}");
    });
}
