//! Exercise 2.1, solved.
//!
//! The point is whose bytes these are. All but the request line is ours; that one is a stranger's, so it is let
//! through byte by byte, from a list of what is harmless. To look for what is harmful instead is to forget something.
//! Since `"` never appears as itself, even a reader that knows no escapes finds the end of the quotes.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::SystemTime;

use common::http::Exchange;

/// The line for a finished exchange that began at `at` with `request_line`.
pub fn log_line(client: IpAddr, at: SystemTime, request_line: &[u8], exchange: &Exchange) -> String {
    let bytes = match exchange.bytes_from_backend {
        0 => String::from("-"),
        bytes => bytes.to_string(),
    };
    let (status, seconds) = (exchange.status, exchange.times.total.as_secs_f64());
    format!("{client} - - [{}] \"{}\" {status} {bytes} {seconds:.3}", log_time(at), escaped(request_line))
}

/// `20/Nov/2026:12:00:00 +0000`, from the fixed columns of `Fri, 20 Nov 2026 12:00:00 GMT`.
fn log_time(at: SystemTime) -> String {
    let date = httpdate::fmt_http_date(at);
    format!("{}/{}/{}:{} +0000", &date[5..7], &date[8..11], &date[12..16], &date[17..25])
}

fn escaped(request_line: &[u8]) -> String {
    if request_line.is_empty() {
        return String::from("-");
    }
    let mut text = String::with_capacity(request_line.len());
    for &byte in request_line {
        if matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\') {
            text.push(char::from(byte));
        } else {
            write!(text, "\\x{byte:02X}").expect("a String takes what it is given");
        }
    }
    text
}
