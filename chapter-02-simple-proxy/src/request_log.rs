//! The log line per request that `--log-requests` enables.

use std::net::IpAddr;

use common::http::{Exchange, Method};

use crate::stats::ProxyStats;

/// Counts a finished exchange in `stats`, and logs it if `log_requests` is set.
pub fn log_and_count(stats: &ProxyStats, log_requests: bool, client: IpAddr, exchange: &Exchange) {
    stats.record(exchange);
    if log_requests {
        log_request(client, exchange);
    }
}

/// Logs the client, the request method and status, the bytes, the times, and the failure if there is one.
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
