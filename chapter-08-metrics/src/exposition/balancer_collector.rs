//! What the engine and the limits count themselves: connections, bytes, the pool, refusals, the workers.

use std::sync::Arc;

use common::clock::now;
use connection_pooling::ClientBytes;
use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};
use rate_limiting::filter::{ConnectionLimit, LimitReport, RateLimits};

use super::{
    busy::BusyRatios,
    family::{Family, count, seconds},
};
use crate::observers::{self, ObservedServer};

/// The clients that are connected.
pub const ACTIVE: Family = Family::gauge("lb_connections_active", &[], "Clients that are connected.");
/// The clients that have connected.
pub const ACCEPTED: Family = Family::counter("lb_connections_accepted_total", &[], "Clients that have connected.");
const REFUSED: Family = Family::counter(
    "lb_connections_refused_total",
    &[],
    "Connections closed at once because their address had too many (--max-clients-per-ip).",
);
const RECEIVED: Family =
    Family::counter("lb_bytes_received_total", &[], "Bytes received from clients, heads and framing included.");
const SENT: Family = Family::counter("lb_bytes_sent_total", &[], "Bytes sent to clients, heads and framing included.");
const HITS: Family =
    Family::counter("lb_pool_hits_total", &[], "Attempts that took an idle backend connection from the pool.");
const MISSES: Family = Family::counter("lb_pool_misses_total", &[], "Attempts that had to connect.");
const LIMITED: Family = Family::counter(
    "lb_limited_total",
    &["dry", "limit"],
    "Requests that a rate limit has refused; with dry=\"true\", that it would have refused.",
);
/// The lines of the access log that were dropped.
pub const LOG_DROPPED: Family = Family::counter(
    "lb_access_log_dropped_total",
    &[],
    "Lines of the access log that were dropped, because they could not be written fast enough.",
);
const BUSY: Family = Family::gauge(
    "lb_worker_busy_ratio",
    &["worker"],
    "The share of the time since the last scrape, or of at least a second, in which the worker was not waiting.",
);
const LONGEST_POLL: Family = Family::gauge(
    "lb_worker_poll_seconds_max",
    &["worker"],
    "The longest time since the start in which one poll of a task held the worker's event loop.",
);
/// The version of this program.
pub const BUILD: Family = Family::gauge("lb_build_info", &["version"], "1; the version is a label.");

const ALL: [Family; 12] =
    [ACTIVE, ACCEPTED, REFUSED, RECEIVED, SENT, HITS, MISSES, LIMITED, LOG_DROPPED, BUSY, LONGEST_POLL, BUILD];

/// What the server counts.
#[derive(Debug)]
pub struct BalancerCollector {
    server: Arc<ObservedServer>,
    busy: BusyRatios,
    descs: Vec<Desc>,
}

impl BalancerCollector {
    /// Of this server.
    pub fn new(server: Arc<ObservedServer>) -> Self {
        Self { server, busy: BusyRatios::new(now()), descs: ALL.iter().map(Family::desc).collect() }
    }

    fn limits(&self) -> &RateLimits {
        observers::limits(&self.server)
    }

    fn limited(&self) -> MetricFamily {
        let dry = if self.limits().is_dry_run() { "true" } else { "false" };
        let sample = |LimitReport { name, stats, .. }: LimitReport| LIMITED.sample(&[dry, &name], count(stats.refused));
        LIMITED.with(self.limits().reports().into_iter().map(sample).collect())
    }

    fn busy(&self) -> MetricFamily {
        by_worker(&BUSY, self.busy.ratios(self.server.busy_times(), now()).into_iter())
    }
}

/// A value for each worker.
fn by_worker(family: &Family, values: impl Iterator<Item = f64>) -> MetricFamily {
    family.with(values.enumerate().map(|(worker, value)| family.sample(&[&worker.to_string()], value)).collect())
}

impl Collector for BalancerCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let stats = self.server.balancer().stats();
        let ClientBytes { received, sent } = self.server.client_bytes();
        let pool = self.server.pool_status().stats;
        let refused = self.limits().connections().map_or(0, ConnectionLimit::refused);
        vec![
            ACTIVE.with_one(count(stats.connections_active())),
            ACCEPTED.with_one(count(stats.connections_accepted())),
            REFUSED.with_one(count(refused)),
            RECEIVED.with_one(count(received)),
            SENT.with_one(count(sent)),
            HITS.with_one(count(pool.hits + pool.shared_hits)),
            MISSES.with_one(count(pool.misses)),
            self.limited(),
            LOG_DROPPED
                .with_one(count(observers::access_log(&self.server).writer().map_or(0, |writer| writer.dropped()))),
            self.busy(),
            by_worker(&LONGEST_POLL, self.server.longest_polls().map(seconds)),
            BUILD.with(vec![BUILD.sample(&[env!("CARGO_PKG_VERSION")], 1.0)]),
        ]
    }
}
