//! The backends' rows.

use std::{collections::HashMap, time::Duration};

use super::{BackendRow, share};
use crate::{
    live::document::LiveBackend,
    top::{
        change::BackendPath,
        escape::printable,
        percentile::percentile,
        reading::{BackendBefore, Interval},
    },
};

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
