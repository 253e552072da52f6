//! Backends: what the workers have sent them, and how they are.

use std::{sync::Arc, time::Instant};

use advanced_features::{
    Balancer,
    admin::AdminOperations as _,
    balance::{
        backend::{Backend, BackendState},
        group::Group,
    },
};
use common::clock::now;
use connection_pooling::BackendPool;
use prometheus::{
    core::{Collector, Desc},
    proto::{Metric, MetricFamily},
};

use super::family::{Family, boolean, count, number, seconds};
use crate::{
    observers::{self, ObservedServer},
    record::{
        Layout, Metrics,
        backend_blocks::{AttemptFailure, BackendCounts},
    },
};

/// The labels of a backend.
pub const BACKEND: &[&str] = &["backend", "group"];

const REQUESTS: Family = Family::counter(
    "lb_backend_requests_total",
    &["backend", "code", "group"],
    "Responses of the backend, by class of status. Each attempt counts, also one that is retried.",
);
const FAILURES: Family = Family::counter(
    "lb_backend_failures_total",
    &["backend", "group", "kind"],
    "Attempts that failed through the backend.",
);
const SECONDS: Family = Family::counter(
    "lb_backend_seconds_total",
    BACKEND,
    "The time of all attempts, from the choice of the backend to the end of the attempt.",
);
const POOL_HITS: Family =
    Family::counter("lb_backend_pool_hits_total", BACKEND, "Attempts over a connection that had served before.");
const POOL_IDLE: Family = Family::gauge(
    "lb_backend_pool_idle",
    BACKEND,
    "Idle connections to the backend, as of the last second. Backends with one address share them.",
);
const POOL_STALE: Family = Family::counter(
    "lb_backend_pool_stale_total",
    BACKEND,
    "Idle connections that the backend had closed before a request used them.",
);
const POOL_EVICTED: Family = Family::counter(
    "lb_backend_pool_evicted_total",
    BACKEND,
    "Idle connections that were closed because the pool was full, or descriptors had run out.",
);
/// The ejections of a backend.
pub const EJECTIONS: Family =
    Family::counter("lb_backend_ejections_total", BACKEND, "How often outlier detection has ejected the backend.");
const IN_FLIGHT: Family = Family::gauge("lb_backend_in_flight", BACKEND, "Requests in flight to the backend.");
/// Whether a backend may be picked.
pub const UP: Family = Family::gauge("lb_backend_up", BACKEND, "1 if the backend may be picked.");
/// The weight of a backend.
pub const WEIGHT: Family = Family::gauge("lb_backend_weight", BACKEND, "The backend's weight.");
const BREAKER_OPEN: Family =
    Family::gauge("lb_backend_breaker_open", BACKEND, "1 while the backend is not tried because a connect has failed.");
const HEALTHY: Family = Family::gauge("lb_backends_healthy", &["group"], "Backends that may be picked.");
const BUDGET: Family = Family::counter(
    "lb_retry_budget_refused_total",
    &["group"],
    "How often a retry found its group's retry budget exhausted; each asks a few times.",
);

const ALL: [Family; 14] = [
    REQUESTS,
    FAILURES,
    SECONDS,
    POOL_HITS,
    POOL_IDLE,
    POOL_STALE,
    POOL_EVICTED,
    EJECTIONS,
    IN_FLIGHT,
    UP,
    WEIGHT,
    BREAKER_OPEN,
    HEALTHY,
    BUDGET,
];

/// The most series of one backend: its classes, its kinds of failures, and ten others.
const SERIES_PER_BACKEND: usize = 5 + AttemptFailure::ALL.len() + 10;

/// The backends of a balancer, and the connections to them.
#[derive(Debug)]
pub struct BackendCollector {
    server: Arc<ObservedServer>,
    descs: Vec<Desc>,
}

/// The samples of all backends, by family.
#[derive(Debug, Default)]
struct Samples {
    requests: Vec<Metric>,
    failures: Vec<Metric>,
    seconds: Vec<Metric>,
    pool_hits: Vec<Metric>,
    pool_idle: Vec<Metric>,
    pool_stale: Vec<Metric>,
    pool_evicted: Vec<Metric>,
    ejections: Vec<Metric>,
    in_flight: Vec<Metric>,
    up: Vec<Metric>,
    weight: Vec<Metric>,
    breaker_open: Vec<Metric>,
}

impl BackendCollector {
    /// Over the backends of this server, and what its workers have counted.
    pub fn new(server: Arc<ObservedServer>) -> Self {
        Self { server, descs: ALL.iter().map(Family::desc).collect() }
    }

    fn metrics(&self) -> &Metrics {
        observers::metrics(&self.server)
    }

    fn counts(&self, backend: &Backend) -> BackendCounts {
        self.metrics().workers().iter().map(|block| block.backends().counts(backend.id())).sum()
    }
}

/// How many backends have series.
fn max_backends(layout: &Layout) -> usize {
    layout.max_series().of_backends() / SERIES_PER_BACKEND
}

/// How many series the backends beyond that would have.
pub(super) fn dropped_series(balancer: &Balancer, layout: &Layout) -> usize {
    balancer.router().backends().len().saturating_sub(max_backends(layout)) * SERIES_PER_BACKEND
}

/// Whether requests may go to a backend in this state: the state has no reason against it.
pub fn is_up(state: BackendState) -> bool {
    matches!(state, BackendState::Up | BackendState::HalfOpen)
}

impl Samples {
    fn add(&mut self, group: &Group, backend: &Backend, counts: &BackendCounts, pool: BackendPool, now: Instant) {
        let (name, group) = (&*backend.name(), group.name());
        let labels = &[name, group];
        // A class or kind that never occurred has no series; the others do, from the start.
        for (class, responses) in (1..).zip(counts.responses).filter(|(class, count)| *count > 0 || *class == 2) {
            self.requests.push(REQUESTS.sample(&[name, &format!("{class}xx"), group], count(responses)));
        }
        for (kind, failures) in AttemptFailure::ALL.iter().zip(counts.failures).filter(|(_, count)| *count > 0) {
            self.failures.push(FAILURES.sample(&[name, group, kind.label()], count(failures)));
        }
        let state = backend.state(now);
        let is_open = matches!(state, BackendState::ConnectFailed { .. });
        self.seconds.push(SECONDS.sample(labels, seconds(counts.time)));
        self.pool_hits.push(POOL_HITS.sample(labels, count(counts.reused)));
        self.pool_idle.push(POOL_IDLE.sample(labels, number(pool.idle)));
        self.pool_stale.push(POOL_STALE.sample(labels, count(pool.stale)));
        self.pool_evicted.push(POOL_EVICTED.sample(labels, count(pool.evicted)));
        self.ejections.push(EJECTIONS.sample(labels, count(backend.ejections())));
        self.in_flight.push(IN_FLIGHT.sample(labels, backend.concurrency.in_flight().into()));
        self.up.push(UP.sample(labels, boolean(is_up(state))));
        self.weight.push(WEIGHT.sample(labels, backend.weight().into()));
        self.breaker_open.push(BREAKER_OPEN.sample(labels, boolean(is_open)));
    }
}

impl Collector for BackendCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (now, router, pools) = (now(), self.server.balancer().router(), self.server.backend_pools());
        let most = max_backends(self.metrics().layout());
        let (mut samples, mut seen) = (Samples::default(), 0);
        let (mut healthy, mut budget) = (Vec::new(), Vec::new());
        for group in router.groups() {
            let mut up = 0;
            for backend in group.members() {
                up += usize::from(is_up(backend.state(now)));
                seen += 1;
                if seen <= most {
                    let pool = pools.get(&backend.id()).copied().unwrap_or_default();
                    samples.add(group, &backend, &self.counts(&backend), pool, now);
                }
            }
            healthy.push(HEALTHY.sample(&[group.name()], number(up)));
            budget.push(BUDGET.sample(&[group.name()], count(group.retry_budget.refused())));
        }
        vec![
            REQUESTS.with(samples.requests),
            FAILURES.with(samples.failures),
            SECONDS.with(samples.seconds),
            POOL_HITS.with(samples.pool_hits),
            POOL_IDLE.with(samples.pool_idle),
            POOL_STALE.with(samples.pool_stale),
            POOL_EVICTED.with(samples.pool_evicted),
            EJECTIONS.with(samples.ejections),
            IN_FLIGHT.with(samples.in_flight),
            UP.with(samples.up),
            WEIGHT.with(samples.weight),
            BREAKER_OPEN.with(samples.breaker_open),
            HEALTHY.with(healthy),
            BUDGET.with(budget),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_series_are_reserved_for_a_backend_as_it_may_have() {
        let of_backends = ALL.iter().filter(|family| family.labels.contains(&"backend"));
        let series = |family: &Family| match family.name {
            "lb_backend_requests_total" => 5,
            "lb_backend_failures_total" => AttemptFailure::ALL.len(),
            _ => 1,
        };
        assert_eq!(of_backends.map(series).sum::<usize>(), SERIES_PER_BACKEND);
    }
}
