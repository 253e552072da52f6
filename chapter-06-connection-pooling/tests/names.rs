//! A name that moves takes the pool with it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use common::http::Plaintext;
use integration_tests::{backend::Backend, client::Client, wait::until};
use load_balancer::dns_refresher::Resolve;

/// Answers every name with one address.
#[derive(Clone)]
struct Moving(Arc<Mutex<SocketAddr>>);

impl Resolve for Moving {
    fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![*self.0.lock().unwrap()])
    }
}

fn saying(body: &'static str) -> Backend {
    Backend::start(move |conn| {
        while conn.request().is_ok() {
            conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
    })
}

#[test]
fn what_rests_at_the_old_address_of_a_name_is_neither_used_nor_kept() {
    let (old, new) = (saying("old"), saying("new"));
    let name = Moving(Arc::new(Mutex::new(old.addr())));
    let server = support::server(&["moves.example:80", "--resolve-interval", "20ms"], name.clone());
    support::running(
        &server,
        || Plaintext,
        |address| {
            let mut client = Client::connect(address);
            assert_eq!(client.get("/").text(), "old");
            *name.0.lock().unwrap() = new.addr();
            until("the name leads elsewhere", || client.get("/").text() == "new");
            assert_eq!(client.get("/").text(), "new");
            old.wait_for("what rests there is closed", |seen| seen.iter().all(|seen| seen.ended));
            until("it is counted", || server.pool_status().stats.backend_unavailable == 1);
            assert_eq!(server.pool_status().stats.misses, 2);
        },
    );
}
