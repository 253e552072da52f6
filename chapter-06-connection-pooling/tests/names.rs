//! Backends with names: a name whose address changes, and names with several addresses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use common::http::Plaintext;
use connection_pooling::run;
use integration_tests::{
    backend::Backend,
    client::Client,
    happy_eyeballs::{CONNECT_TIMEOUT_FLAG, assert_a_dead_address_is_overtaken},
    wait::until,
};

fn backend(body: &'static str) -> Backend {
    Backend::start(move |conn| {
        while conn.request().is_ok() {
            conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
    })
}

#[test]
fn idle_connections_to_the_old_address_of_a_name_are_not_reused_and_closed() {
    let (old, new) = (backend("old"), backend("new"));
    let current = Arc::new(Mutex::new(old.addr()));
    let resolver = {
        let current = Arc::clone(&current);
        move |_: &str, _: u16| Ok(vec![*current.lock().unwrap()])
    };
    let server = support::server(&["moves.example:80", "--resolve-interval", "20ms"], resolver);
    support::running(
        &server,
        || Plaintext,
        |address| {
            let mut client = Client::connect(address);
            assert_eq!(client.get("/").text(), "old");
            *current.lock().unwrap() = new.addr();
            until("the new address is used", || client.get("/").text() == "new");
            assert_eq!(client.get("/").text(), "new");
            old.wait_for("idle connections to the old address are closed", |seen| seen.iter().all(|seen| seen.ended));
            until("the close is counted", || server.pool_status().stats.backend_unavailable == 1);
            assert_eq!(server.pool_status().stats.misses, 2);
        },
    );
}

#[test]
fn requests_that_find_no_idle_connection_share_connects_among_the_addresses() {
    let (a, b) = (Backend::ok("a"), Backend::ok("b"));
    let addresses = vec![a.addr(), b.addr()];
    let server = support::server(&["two.example:80"], move |_: &str, _: u16| Ok(addresses.clone()));
    support::running(
        &server,
        || Plaintext,
        |address| {
            let mut client = Client::connect(address);
            for _ in 0..20 {
                assert_eq!(client.get("/").status(), 200);
            }
            // Each response closes its connection, so no request finds an idle one.
            assert_eq!((a.connections(), b.connections()), (10, 10));
        },
    );
}

#[test]
fn a_dead_address_costs_no_request_the_connect_timeout() {
    assert_a_dead_address_is_overtaken(|addresses, listeners, shutdown| {
        let args = [&["two.example:80"], &CONNECT_TIMEOUT_FLAG[..]].concat();
        run(&support::server(&args, move |_: &str, _: u16| Ok(addresses.clone())), listeners, shutdown).unwrap();
    });
}
