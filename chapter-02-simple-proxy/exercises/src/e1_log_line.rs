//! Exercise 2.1: access log line (warm-up).
//!
//! **Contract.** [`log_line`] returns one line in the Common Log Format, followed by the duration, without a line end:
//! `127.0.0.1 - - [20/Nov/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 14 0.003`. The number after the status is the
//! bytes received from the backend, `-` if there were none; the last is seconds with three decimals. The request line
//! is written as received, `-` if it is empty. In it, `"`, `\` and every byte outside printable ASCII (space to `~`)
//! is written `\xHH`, with uppercase hex digits, as nginx does: whatever a client sends, the entry stays one line with
//! exactly two quotes.

use std::net::IpAddr;
use std::time::SystemTime;

use common::http::Exchange;

/// The line for a finished exchange that began at `at` with `request_line`.
pub fn log_line(client: IpAddr, at: SystemTime, request_line: &[u8], exchange: &Exchange) -> String {
    let time = httpdate::fmt_http_date(at);
    let request_line = String::from_utf8_lossy(request_line);
    let Exchange { status, bytes_from_backend: bytes, times, .. } = exchange;
    format!("{client} - - [{time}] \"{request_line}\" {status} {bytes} {:.3}", times.total.as_secs_f64())
}
