//! Backends with names that resolve to several addresses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use common::timeouts::Timeouts;
use integration_tests::happy_eyeballs::{CONNECT_TIMEOUT, assert_a_dead_address_is_overtaken};
use simple_proxy::{Config, ReverseProxy, run};

#[test]
fn a_dead_address_costs_no_request_the_connect_timeout() {
    assert_a_dead_address_is_overtaken(|addresses, listeners, shutdown| {
        let config = Config {
            backend_name: "two.example:80".into(),
            addresses,
            max_clients: 10,
            timeouts: Timeouts { connect: CONNECT_TIMEOUT, ..Timeouts::default() },
            trusted_proxies: Vec::new(),
            log_requests: false,
        };
        run(&ReverseProxy::new(config), listeners, shutdown).unwrap();
    });
}
