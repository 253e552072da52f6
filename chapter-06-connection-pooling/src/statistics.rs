//! The pool's statistics, as JSON and as text.

use std::fmt::Write as _;

use serde::Serialize;

use crate::pool::PoolStats;

/// The pool of all workers, as the admin interface shows it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PoolReport {
    /// The percentage of requests that needed no connect; `null` before the first.
    pub hit_rate_percent: Option<f64>,
    /// The pool's counters.
    #[serde(flatten)]
    pub stats: PoolStats,
    /// How many idle connections are in the shared pool.
    pub shared_idle: usize,
}

impl PoolReport {
    pub(crate) fn new(stats: PoolStats, shared_idle: usize) -> Self {
        Self { hit_rate_percent: stats.hit_rate(), stats, shared_idle }
    }
}

/// The balancer's table, followed by the pool and the connections of each worker.
pub(crate) fn format_table(balancer: &str, pool: &PoolReport, clients: impl Iterator<Item = usize>) -> String {
    let PoolStats { hits, shared_hits, misses, evicted, expired, stale, backend_unavailable, warmed_up } = pool.stats;
    let mut table = format!(
        "{balancer}\npool: {hits} hits, {shared_hits} shared hits, {misses} misses, {evicted} evicted, {expired} expired, \
         {stale} stale, {backend_unavailable} backend unavailable, {warmed_up} warmed up, {} idle in the shared pool\nHIT RATE: ",
        pool.shared_idle
    );
    let written = match pool.hit_rate_percent {
        Some(percent) => write!(table, "{percent:.2} %"),
        None => write!(table, "-"),
    };
    written.expect("writing to a String cannot fail");
    for (worker_id, clients) in clients.enumerate() {
        write!(table, "\nworker {worker_id}: {clients} client connections").expect("writing to a String cannot fail");
    }
    table
}
