//! A request on the steady path makes the worker allocate nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use connection_pooling::run;
use integration_tests::{
    allocations::{Counting, Tally},
    steady,
};
use load_balancer::dns_refresher::SystemResolver;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_thousand_requests_allocate_nothing() {
    static THREAD: Tally = Tally::new();
    let server = support::server(&[&steady::backend().to_string()], SystemResolver);
    steady::assert_allocates_nothing(&THREAD, |listeners, shutdown| run(&server, listeners, shutdown).unwrap());
}
