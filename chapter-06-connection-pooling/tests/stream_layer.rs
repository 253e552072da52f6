//! A layer over the client's socket, such as TLS: every byte passes through it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
#[path = "support/veil.rs"]
mod veil;

use backends::BackendConfig;
use integration_tests::client::Client;
use load_balancer::dns_refresher::SystemResolver;

use crate::veil::{Veil, veiling};

/// Sends a request head and its body.
fn post(client: &mut Client, target: &str, body: &[u8]) {
    client.send(format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len()));
    client.send(body);
}

#[test]
fn every_byte_between_the_client_and_the_relay_passes_the_layer() {
    let backend = backends::Backend::start(BackendConfig::default()).unwrap();
    let server = support::server(&[&backend.addr().to_string()], SystemResolver);
    support::running(&server, Veil::default, |address| {
        let mut client = Client::connect(veiling(address));
        let body = backends::pattern(3_000_000);
        post(&mut client, "/echo", &body);
        assert!(client.response("POST").body == body);
        // Pipelined requests, received while a response is in flight, and then FIN.
        let mut client = Client::connect(veiling(address));
        client.request("GET", "/delay/50", "");
        client.request("GET", "/bytes/300000", "");
        client.half_close();
        assert_eq!(client.response("GET").status(), 200);
        assert!(client.response("GET").body == backends::pattern(300_000));
        client.expect_closed();
        let mut invalid = Client::connect(veiling(address));
        invalid.send("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(invalid.response("GET").status(), 400);
        invalid.expect_closed();
    });
}
