//! What the pool says of itself.

use std::fmt::Write as _;

use serde::Serialize;

use crate::pool::PoolStats;

/// The pool of all workers, as the admin interface shows it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PoolStatus {
    /// Of a hundred requests, how many needed no connect; `null` before the first.
    pub hit_rate_percent: Option<f64>,
    /// What has become of the connections.
    #[serde(flatten)]
    pub stats: PoolStats,
    /// How many lie on the shelf between the workers.
    pub shared_idle: usize,
}

impl PoolStatus {
    pub(crate) fn new(stats: PoolStats, shared_idle: usize) -> Self {
        Self { hit_rate_percent: stats.hit_rate(), stats, shared_idle }
    }
}

/// The balancer's own table, with the pool and the clients of each core below it.
pub(crate) fn format_table(balancer: &str, pool: &PoolStatus, clients: impl Iterator<Item = usize>) -> String {
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
    for (place, clients) in clients.enumerate() {
        write!(table, "\nworker {place}: {clients} client connections").expect("writing to a String cannot fail");
    }
    table
}
