//! A request on the steady path makes the worker allocate nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use connection_pooling::run;
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
