//! A request of a known key makes the worker allocate nothing, whether it passes or is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../chapter-06-connection-pooling/tests/support/mod.rs"]
mod support;

use std::{
    cell::Cell,
    io::{Read as _, Write as _},
    net::TcpStream,
    num::NonZeroUsize,
};

use common::clock;
use connection_pooling::run;
use integration_tests::{
    allocations::{AllocationCounter, CountingAllocator},
    steady_state,
};
use load_balancer::dns_refresher::SystemResolver;
use rate_limiting::filter::{HeaderStyle, LimitsConfig, RateLimits, limiter_for};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Two limits that apply to each request, and one on bandwidth that is never reached.
fn limits(rate: &str) -> RateLimits {
    let rule = |name: &str, text: String| (name.to_owned(), text.parse().unwrap());
    let config = LimitsConfig {
        rules: vec![
            rule("each", format!("{rate} by=ip path=/*")),
            rule("key", "1000000/s by=cookie:session alg=sliding".into()),
        ],
        exempt: Vec::new(),
        dry_run: false,
        max_keys: NonZeroUsize::new(64).unwrap(),
        headers: HeaderStyle::Both,
        max_clients_per_ip: None,
        bandwidth: Some("1024MiB,1024MiB by=ip".parse().unwrap()),
    };
    RateLimits::with_limiters(config, NonZeroUsize::MIN, clock::now(), limiter_for)
}

/// Sends a request with a host that routing would have to copy to compare, and reads the response up to `end`.
fn request(client: &mut TcpStream, status: &[u8], end: &[u8]) {
    client.write_all(b"GET /a HTTP/1.1\r\nHost: [::1]:8080\r\nCookie: session=s\r\n\r\n").unwrap();
    let (mut response, mut length) = ([0; 1024], 0);
    while !response[..length].ends_with(end) {
        length += client.read(&mut response[length..]).unwrap();
    }
    assert!(response[9..].starts_with(status), "{}", response[..length].escape_ascii());
}

#[test]
fn a_thousand_limited_requests_allocate_nothing() {
    static THREAD: AllocationCounter = AllocationCounter::new();
    let backends = [&*steady_state::backend().to_string()];
    let server = support::server_with_filter(&backends, SystemResolver, limits("1000000/s"));
    let request = |client: &mut TcpStream| request(client, b"200", b"hello");
    steady_state::assert_allocates_nothing_for(&THREAD, request, |listeners, shutdown| {
        run(&server, listeners, shutdown).unwrap();
    });
}

#[test]
fn a_thousand_refused_requests_allocate_nothing() {
    static THREAD: AllocationCounter = AllocationCounter::new();
    let backends = [&*steady_state::backend().to_string()];
    let limits = limits("1/h");
    let server = support::server_with_filter(&backends, SystemResolver, limits);
    let sent = Cell::new(0);
    let request = |client: &mut TcpStream| {
        let (status, end): (&[u8], &[u8]) =
            if sent.get() == 0 { (b"200", b"hello") } else { (b"429", b"429 Too Many Requests\n") };
        request(client, status, end);
        sent.set(sent.get() + 1);
    };
    steady_state::assert_allocates_nothing_for(&THREAD, request, |listeners, shutdown| {
        run(&server, listeners, shutdown).unwrap();
    });
}
