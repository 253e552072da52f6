//! Exercise 2.1, solved.
//!
//! Only the request line comes from the client, so it is untrusted: each byte passes an allowlist of harmless bytes. A
//! denylist of harmful bytes would miss some. Since `"` is always escaped, even a parser that does not know the escapes
//! finds the end of the quoted string.

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
            write!(text, "\\x{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    text
}
