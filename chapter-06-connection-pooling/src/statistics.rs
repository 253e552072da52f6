//! What the pool says of itself.

use std::fmt::Write as _;

use serde::Serialize;

use crate::pool::Tally;

/// The pool of all cores, as the admin interface shows it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PoolView {
    /// Of a hundred requests, how many needed no connect; `null` before the first.
    pub hit_rate_percent: Option<f64>,
    /// What has become of the connections.
    #[serde(flatten)]
    pub tally: Tally,
    /// How many lie on the shelf between the cores.
    pub on_shelf: usize,
}

impl PoolView {
    pub(crate) fn new(tally: Tally, on_shelf: usize) -> Self {
        Self { hit_rate_percent: tally.hit_rate(), tally, on_shelf }
    }
}

/// The balancer's own table, with the pool and the clients of each core below it.
pub(crate) fn table(balancer: &str, pool: &PoolView, clients: impl Iterator<Item = usize>) -> String {
    let Tally { hits, moved, misses, evicted, expired, stale, dropped, warmed } = pool.tally;
    let mut table = format!(
        "{balancer}\npool: {hits} hits, {moved} shared hits, {misses} misses, {evicted} evicted, {expired} expired, \
         {stale} stale, {dropped} backend unavailable, {warmed} warmed, {} idle in the shared pool\nHIT RATE: ",
        pool.on_shelf
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
