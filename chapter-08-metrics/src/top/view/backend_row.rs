//! The backends' rows.

use std::{collections::HashMap, time::Duration};

use crate::{
    live::document::{LiveBackend, LiveState},
    top::{
        change::BackendPath,
        escape::printable,
        percentile::{Percentile, percentile},
        reading::{BackendBefore, Interval, share},
    },
};

/// A backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendRow {
    /// As [`LiveBackend::id`].
    pub id: u64,
    /// How the admin interface finds it.
    pub path: BackendPath,
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: LiveState,
    /// When the state ends by itself.
    pub state_ends_in: Option<Duration>,
    /// Its weight.
    pub weight: u32,
    /// Its share of the requests of its group.
    pub share: Option<f64>,
    /// Requests in flight to it.
    pub in_flight: u32,
    /// The limit on them.
    pub max_connections: Option<u32>,
    /// Requests sent to it since the start.
    pub requests: u64,
    /// Failed attempts and responses of 5xx since the start.
    pub errors: u64,
    /// Requests per second.
    pub request_rate: Option<f64>,
    /// Failed attempts and responses of 5xx, per second.
    pub error_rate: Option<f64>,
    /// Half of the first bytes came within it.
    pub p50: Option<Percentile>,
    /// All but one in a hundred came within it.
    pub p99: Option<Percentile>,
    /// The mean time of the attempts that ended.
    pub mean: Option<Duration>,
    /// The share of its requests that took a connection from the pool.
    pub reuse: Option<f64>,
    /// How often it has been ejected since the start.
    pub ejections: u64,
}

/// A row for each backend of the document.
pub(super) fn rows(interval: &Interval<'_>) -> Vec<BackendRow> {
    let before: Vec<_> = interval.now.backends.iter().map(|backend| interval.backend_before(backend.id)).collect();
    let all = || interval.now.backends.iter().zip(&before);
    let mut group_requests = HashMap::<&str, u64>::new();
    for (backend, before) in all() {
        let sum = group_requests.entry(backend.group.as_str()).or_default();
        *sum = sum.saturating_add(requests(backend, *before).unwrap_or_default());
    }
    all().map(|(backend, before)| row(interval, backend, *before, group_requests[backend.group.as_str()])).collect()
}

fn requests(backend: &LiveBackend, before: Option<BackendBefore<'_>>) -> Option<u64> {
    before.map(|before| before.increase(backend, |backend| backend.requests))
}

/// What went wrong through it: attempts without a whole response, and responses of 5xx.
fn errors(backend: &LiveBackend) -> u64 {
    backend.failures.saturating_add(backend.responses[4])
}

/// The attempts that have ended.
fn ended(backend: &LiveBackend) -> u64 {
    backend.responses.iter().fold(backend.failures, |sum, count| sum.saturating_add(*count))
}

fn row(
    interval: &Interval<'_>,
    backend: &LiveBackend,
    before: Option<BackendBefore<'_>>,
    group_requests: u64,
) -> BackendRow {
    let increase = |counter: fn(&LiveBackend) -> u64| before.map(|before| before.increase(backend, counter));
    let requests = requests(backend, before);
    let buckets = before.map(|before| before.buckets(backend)).unwrap_or_default();
    let percentile = |share| percentile(&interval.now.latency_bounds_ns, &buckets, share);
    let time_us = increase(|backend| backend.time_us);
    let mean_us = time_us.zip(increase(ended)).and_then(|(time, ended)| time.checked_div(ended));
    BackendRow {
        id: backend.id,
        path: BackendPath { group: backend.group.clone(), name: backend.name.clone() },
        group: printable(&backend.group),
        name: printable(&backend.name),
        state: backend.state,
        state_ends_in: backend.state_ends_in_ms.map(Duration::from_millis),
        weight: backend.weight,
        share: requests.and_then(|requests| share(requests, group_requests)),
        in_flight: backend.in_flight,
        max_connections: backend.max_connections,
        requests: backend.requests,
        errors: errors(backend),
        request_rate: requests.and_then(|requests| interval.rate(requests)),
        error_rate: increase(errors).and_then(|errors| interval.rate(errors)),
        p50: percentile(0.5),
        p99: percentile(0.99),
        mean: mean_us.map(Duration::from_micros),
        reuse: increase(|backend| backend.reused).zip(requests).and_then(|(reused, requests)| share(reused, requests)),
        ejections: backend.ejections,
    }
}
