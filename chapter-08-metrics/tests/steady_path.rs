//! A request makes the worker allocate nothing more because it is measured, whether it passes or is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../chapter-06-connection-pooling/tests/support/mod.rs"]
mod support;

use std::num::NonZeroUsize;

use connection_pooling::run;
use integration_tests::{
    allocations::{AllocationCounter, CountingAllocator},
    steady_state,
};
use lb_metrics::{
    histogram::Buckets,
    record::{Layout, Metrics, layout::MaxSeries},
};
use load_balancer::dns_refresher::SystemResolver;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_thousand_measured_requests_allocate_nothing() {
    static THREAD: AllocationCounter = AllocationCounter::new();
    let backends = [&*steady_state::backend().to_string()];
    let layout = Layout::new([], Some("default"), Buckets::default(), MaxSeries::default());
    let metrics = Metrics::new(layout, NonZeroUsize::MIN);
    let server = support::server_with_filter(&backends, SystemResolver, metrics.clone());
    steady_state::assert_allocates_nothing(&THREAD, |listeners, shutdown| {
        run(&server, listeners, shutdown).unwrap();
    });
    let requests: u64 = (0..metrics.layout().slots().len()).map(|slot| metrics.workers()[0].requests(slot)).sum();
    assert_eq!(requests, 1_100, "all of them were measured");
}
