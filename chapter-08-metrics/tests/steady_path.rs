//! A request makes the worker allocate nothing more because it is measured, or logged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../chapter-06-connection-pooling/tests/support/mod.rs"]
mod support;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use connection_pooling::run;
use integration_tests::{
    allocations::{AllocationCounter, CountingAllocator},
    steady_state,
};
use lb_metrics::{
    access_log::{AccessLog, AccessLogConfig, LogFormat, line_log::LineLogConfig, names::Names, sampling::SampleRate},
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
    assert_eq!(requests, 1_150, "all of them were measured");
}

/// With a log, and with a list of recent requests that each of them enters.
#[test]
fn a_thousand_logged_requests_allocate_nothing() {
    static THREAD: AllocationCounter = AllocationCounter::new();
    let backends = [&*steady_state::backend().to_string()];
    let names = Names::new(Arc::clone(support::server(&backends, SystemResolver).balancer()), Vec::new());
    let lines = LineLogConfig { target: "/dev/null".into(), format: LogFormat::json(), sample: SampleRate::ALL };
    let config =
        AccessLogConfig { lines: Some(lines), keeps_recent: true, slow: Duration::ZERO, ..AccessLogConfig::default() };
    let log = AccessLog::start(config, names, NonZeroUsize::MIN).unwrap();
    let server = support::server_with_filter(&backends, SystemResolver, log.clone());
    steady_state::assert_allocates_nothing(&THREAD, |listeners, shutdown| {
        run(&server, listeners, shutdown).unwrap();
    });
    let recent = log.recent().unwrap().lines();
    assert!(recent.len() == 100 && recent[0].ends_with(b"\"end\":\"done\",\"detail\":\"\"}"), "{recent:?}");
}
