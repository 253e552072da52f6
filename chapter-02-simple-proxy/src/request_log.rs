//! The line per request that `--log-requests` turns on.

use std::net::IpAddr;

use common::http::{Exchange, Method};

use crate::stats::ProxyStats;

/// Counts an exchange that has ended in `totals`, and writes its line if `log_requests`.
pub fn log_and_count(totals: &ProxyStats, log_requests: bool, client: IpAddr, exchange: &Exchange) {
    totals.record(exchange);
    if log_requests {
        log_request(client, exchange);
    }
}

/// Writes the line: who asked, what came of it, how long it took, and why it failed if it did.
fn log_request(client: IpAddr, exchange: &Exchange) {
    let method = exchange.method.map_or("-", Method::as_str);
    let first_byte = exchange.times.first_byte.map_or(String::from("-"), |time| format!("{time:.1?}"));
    let outcome = exchange
        .failure
        .map_or(String::from("ok"), |failure| format!("{:?} {:?} in {:?}", failure.side, failure.kind, failure.phase));
    tracing::info!(
        "{client} {method} {} in={} out={} first_byte={first_byte} total={:.1?} retries={} {outcome}",
        exchange.status,
        exchange.bytes_from_client,
        exchange.bytes_from_backend,
        exchange.times.total,
        exchange.retries,
    );
}
