//! Backends with names that resolve to several addresses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use common::timeouts::Timeouts;
use integration_tests::happy_eyeballs::{CONNECT_TIMEOUT, assert_a_dead_address_is_overtaken};
use load_balancer::{Balancer, Config, round_robin::RoundRobin, run};

#[test]
fn a_dead_address_costs_no_request_the_connect_timeout() {
    assert_a_dead_address_is_overtaken(|addresses, listeners, shutdown| {
        let config = Config {
            backends: vec!["two.example:80".parse().unwrap()],
            resolve_interval: Duration::from_secs(10),
            down_time: Duration::from_secs(10),
            max_clients: 10,
            timeouts: Timeouts { connect: CONNECT_TIMEOUT, ..Timeouts::default() },
            trusted_proxies: Vec::new(),
            log_requests: false,
        };
        let balancer =
            Balancer::new(config, move |_: &str, _: u16| Ok(addresses.clone()), Box::new(RoundRobin::default()))
                .unwrap();
        run(&balancer, listeners, shutdown).unwrap();
    });
}
