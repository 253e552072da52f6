//! A request on the steady path makes the worker allocate nothing, with filters and without.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Instant,
};

use common::http::{HeaderEdits, LocalReply, ResponseInfo};
use connection_pooling::{Filter, RequestInfo, WorkerFilter, run};
use integration_tests::{
    allocations::{AllocationCounter, CountingAllocator},
    steady_state,
};
use load_balancer::dns_refresher::SystemResolver;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_thousand_requests_allocate_nothing() {
    static THREAD: AllocationCounter = AllocationCounter::new();
    let server = support::server(&[&steady_state::backend().to_string()], SystemResolver);
    steady_state::assert_allocates_nothing(&THREAD, |listeners, shutdown| run(&server, listeners, shutdown).unwrap());
}

/// A filter that looks at each request, edits the headers of each response, and refuses requests for `/refused`.
#[derive(Debug, Clone, Copy)]
struct Busy;

impl Filter for Busy {
    type Worker = Self;

    fn inspects_path(&self) -> bool {
        true
    }

    fn for_worker(&self, _worker_id: usize) -> Self {
        *self
    }
}

impl WorkerFilter for Busy {
    type State = usize;

    fn on_request(&self, state: &mut usize, request: &RequestInfo<'_>, _now: Instant) -> Result<(), LocalReply> {
        *state = request.header_values("accept").count();
        let refused = request.path() == b"/refused";
        if refused { Err(LocalReply::new(429, "limited").with_retry_after(1)) } else { Ok(()) }
    }

    fn on_response_head(&self, state: &mut usize, response: &ResponseInfo<'_>, edits: &mut HeaderEdits<'_>) {
        edits.remove("X-None");
        if response.local_reply.is_some() {
            edits.add("X-Accepts", *state);
        }
    }
}

#[test]
fn a_thousand_requests_through_filters_allocate_nothing() {
    static THREAD: AllocationCounter = AllocationCounter::new();
    let backends = [&*steady_state::backend().to_string()];
    let server = support::server_with_filter(&backends, SystemResolver, (Busy, Busy));
    steady_state::assert_allocates_nothing(&THREAD, |listeners, shutdown| run(&server, listeners, shutdown).unwrap());
}

#[test]
fn a_thousand_refusals_allocate_nothing() {
    static THREAD: AllocationCounter = AllocationCounter::new();
    let backends = [&*steady_state::backend().to_string()];
    let server = support::server_with_filter(&backends, SystemResolver, (Busy, ()));
    let request = |client: &mut TcpStream| {
        client.write_all(b"GET /refused HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n").unwrap();
        let (mut response, mut length) = ([0; 1024], 0);
        while !response[..length].ends_with(b"429 Too Many Requests\n") {
            length += client.read(&mut response[length..]).unwrap();
        }
        assert!(response.starts_with(b"HTTP/1.1 429 "));
        assert!(response[..length].windows(12).any(|part| part == b"X-Accepts: 1"));
    };
    steady_state::assert_allocates_nothing_for(&THREAD, request, |listeners, shutdown| {
        run(&server, listeners, shutdown).unwrap();
    });
}
