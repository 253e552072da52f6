//! Reads a running balancer into a [`LiveDocument`].

use std::{
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use advanced_features::{
    admin::AdminOperations as _,
    balance::{
        backend::{Backend, BackendState},
        group::Group,
    },
};
use common::{
    clock::{now, wall_clock},
    http::BackendId,
};
use connection_pooling::ClientBytes;
use rate_limiting::filter::{ConnectionLimit, LimitReport, RateLimits};

use super::document::{
    LiveBackend, LiveDocument, LiveEvent, LiveGroup, LiveLimit, LivePool, LiveProgram, LiveRoute, LiveState,
    LiveTotals, LiveWorker,
};
use crate::{
    endpoint::health::HealthHandler,
    exposition::backend_collector::is_up,
    observers::{self, ObservedServer},
    record::{
        Metrics,
        backend_blocks::BackendCounts,
        layout::{Phase, RouteLabels},
        worker_block::WorkerBlock,
    },
};

/// More than anybody reads; a document of as many is 300 kB.
const MAX_BACKENDS: usize = 1_000;
/// The same for routes.
const MAX_ROUTES: usize = 250;

/// A running balancer, as documents are made of it.
#[derive(Clone, Debug)]
pub struct LiveSource {
    server: Arc<ObservedServer>,
    health: HealthHandler,
    program: &'static str,
    writable: bool,
    started_at: Instant,
}

impl LiveSource {
    /// Of this server, which has just been made. `program` is its name; `writable`: its admin interface permits changes.
    pub fn new(server: Arc<ObservedServer>, health: HealthHandler, program: &'static str, writable: bool) -> Self {
        Self { server, health, program, writable, started_at: now() }
    }

    fn metrics(&self) -> &Metrics {
        observers::metrics(&self.server)
    }

    fn rate_limits(&self) -> &RateLimits {
        observers::limits(&self.server)
    }

    /// The groups now.
    pub(super) fn groups(&self) -> Vec<Arc<Group>> {
        self.server.balancer().router().groups().to_vec()
    }

    /// What the limits have decided so far.
    pub(super) fn limits(&self) -> Vec<LiveLimit> {
        let dry_run = self.rate_limits().is_dry_run();
        let limit = |LimitReport { name, rule, stats, .. }| LiveLimit {
            name,
            rule,
            dry_run,
            allowed: stats.allowed,
            refused: stats.refused,
        };
        self.rate_limits().reports().into_iter().map(limit).collect()
    }

    /// The document now, with these events.
    pub fn document(&self, events: Vec<LiveEvent>) -> LiveDocument {
        let (now, groups) = (now(), self.groups());
        let members: Vec<_> = groups.iter().map(|group| (group, group.members())).collect();
        let all = members.iter().flat_map(|(group, members)| members.iter().map(move |backend| (*group, backend)));
        let backends_omitted = all.clone().count().saturating_sub(MAX_BACKENDS);
        let routes = self.routes();
        let (limits, live_groups) = (self.limits(), members.iter().map(|(group, all)| self.group(group, all, now)));
        let live_groups: Vec<_> = live_groups.collect();
        LiveDocument {
            time_ms: unix_ms(),
            uptime_ms: millis(now.saturating_duration_since(self.started_at)),
            program: LiveProgram {
                name: self.program.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                writable: self.writable,
                draining: self.health.is_draining(),
            },
            totals: self.totals(&live_groups, &limits),
            latency_bounds_ns: self.metrics().layout().buckets(Phase::Total).bounds_ns().to_vec(),
            groups: live_groups,
            backends: all.take(MAX_BACKENDS).map(|(group, backend)| self.backend(group, backend, now)).collect(),
            backends_omitted,
            routes_omitted: routes.len().saturating_sub(MAX_ROUTES),
            routes: routes.into_iter().take(MAX_ROUTES).map(|(slot, labels)| self.route(slot, labels)).collect(),
            limits,
            pool: self.pool(),
            workers: self.workers(),
            events,
        }
    }

    /// The sum over all workers.
    fn sum(&self, count: impl Fn(&WorkerBlock) -> u64) -> u64 {
        self.metrics().workers().iter().map(count).sum()
    }

    fn totals(&self, groups: &[LiveGroup], limits: &[LiveLimit]) -> LiveTotals {
        let slots = 0..self.metrics().layout().slots().len();
        let stats = self.server.balancer().stats();
        let ClientBytes { received, sent } = self.server.client_bytes();
        LiveTotals {
            requests: self.sum(|block| slots.clone().map(|slot| block.requests(slot)).sum()),
            failed: self.sum(|block| slots.clone().map(|slot| block.failed(slot)).sum()),
            limited: limits.iter().filter(|limit| !limit.dry_run).map(|limit| limit.refused).sum(),
            shed: groups.iter().map(|group| group.shed).sum(),
            in_flight: groups.iter().map(|group| u64::from(group.in_flight)).sum(),
            queued: groups.iter().map(|group| count(group.queued)).sum(),
            connections_accepted: stats.connections_accepted(),
            connections_active: stats.connections_active(),
            connections_refused: self.rate_limits().connections().map_or(0, ConnectionLimit::refused),
            bytes_received: received,
            bytes_sent: sent,
        }
    }

    fn group(&self, group: &Group, members: &[Arc<Backend>], now: Instant) -> LiveGroup {
        let layout = self.metrics().layout();
        let routes = layout.slots().iter().enumerate().filter(|(_, labels)| labels.group == group.name());
        LiveGroup {
            name: group.name().to_owned(),
            algorithm: group.lb_policy().algorithm.to_string(),
            backends: members.len(),
            up: members.iter().filter(|backend| is_up(backend.state(now))).count(),
            in_flight: members.iter().map(|backend| backend.concurrency.in_flight()).sum(),
            queued: group.queue.len(),
            adaptive_limit: group.adaptive_limit.as_ref().map(|limit| limit.limit()),
            panic: group.is_in_panic(now),
            breaker_open: group.breaker.is_open(),
            shed: group.queue.shed(),
            retries: routes.map(|(slot, _)| self.sum(|block| block.retries(slot))).sum(),
            retry_budget_refused: group.retry_budget.refused(),
        }
    }

    fn backend(&self, group: &Group, backend: &Backend, now: Instant) -> LiveBackend {
        let counts: BackendCounts =
            self.metrics().workers().iter().map(|block| block.backends().counts(backend.id())).sum();
        let buckets = self.metrics().layout().buckets(Phase::FirstByte).count();
        let (state, ends_at) = live_state(backend.state(now));
        LiveBackend {
            id: live_id(backend.id()),
            group: group.name().to_owned(),
            name: backend.name(),
            state,
            state_ends_in_ms: ends_at.map(|at| millis(at.saturating_duration_since(now))),
            draining: backend.is_draining(),
            weight: backend.weight(),
            in_flight: backend.concurrency.in_flight(),
            max_connections: backend.concurrency.limit(),
            requests: backend.totals.total_requests(),
            responses: counts.responses,
            failures: counts.failures.iter().sum(),
            ejections: backend.ejections(),
            reused: counts.reused,
            time_us: micros(counts.time),
            first_byte_buckets: if counts.first_byte.is_empty() { vec![0; buckets] } else { counts.first_byte },
        }
    }

    /// The slots of the routes in the order in which they are shown: valid requests first.
    fn routes(&self) -> Vec<(usize, &RouteLabels)> {
        let layout = self.metrics().layout();
        let used = layout.slots().iter().enumerate().filter(|(slot, _)| layout.is_used(*slot));
        let (mut routes, unrouted): (Vec<_>, Vec<_>) = used.partition(|(_, labels)| !labels.route.is_empty());
        routes.extend(unrouted);
        routes
    }

    fn route(&self, slot: usize, labels: &RouteLabels) -> LiveRoute {
        let buckets = self.metrics().layout().buckets(Phase::Total);
        let mut time = self.metrics().workers().iter().map(|block| block.counts(slot, Phase::Total, buckets));
        let mut sum = time.next().expect("there is at least one worker");
        time.for_each(|more| sum.merge(&more));
        LiveRoute {
            name: labels.route.clone(),
            group: labels.group.clone(),
            requests: sum.buckets.iter().sum(),
            failed: self.sum(|block| block.failed(slot)),
            responses: std::array::from_fn(|class| self.sum(|block| block.done(slot)[class])),
            time_us: micros(sum.sum),
            time_buckets: sum.buckets,
        }
    }

    fn pool(&self) -> LivePool {
        let stats = self.server.pool_status().stats;
        LivePool {
            reused: stats.hits + stats.shared_hits,
            connects: stats.misses,
            evicted: stats.evicted,
            expired: stats.expired,
            stale: stats.stale,
        }
    }

    fn workers(&self) -> Vec<LiveWorker> {
        let workers = self.server.clients_per_worker().zip(self.server.busy_times());
        workers.map(|(clients, busy)| LiveWorker { clients, busy_us: micros(busy) }).collect()
    }
}

/// A state, and when it ends by itself.
pub(super) fn live_state(state: BackendState) -> (LiveState, Option<Instant>) {
    match state {
        BackendState::ConnectFailed { until } => (LiveState::Down, Some(until)),
        BackendState::Down => (LiveState::Down, None),
        BackendState::Ejected { until } => (LiveState::Ejected, Some(until)),
        BackendState::Draining => (LiveState::Drain, None),
        BackendState::HalfOpen => (LiveState::HalfOpen, None),
        BackendState::Up => (LiveState::Up, None),
    }
}

/// A backend's id as one number, of at most 48 bits: JavaScript's are exact up to 53.
pub(super) fn live_id(BackendId { slot, generation }: BackendId) -> u64 {
    u64::from(generation) << 16 | u64::from(slot)
}

/// The milliseconds since 1970 (UTC).
pub(crate) fn unix_ms() -> u64 {
    millis(wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
