//! Exercise 3.6: statistics endpoint (project).
//!
//! **Contract.** [`endpoint`] returns an [`Endpoint`] that serves the counters of a balancer.
//!
//! - `GET /stats` is JSON: `{"requests":7,"failed":1,"backends":[{"backend":"127.0.0.1:9001","up":true,"active":2,
//!   "total":7,"failed":1}]}`. `total` counts the started requests, `active` those in flight, `requests` and the outer
//!   `failed` are the sums of the rows *in this response*, and every row is consistent: `failed + active <= total`.
//! - `GET /stats.txt` is a table for people: a header `backend state active total failed`, a line for each backend,
//!   `UP` or `DOWN`, aligned columns, numbers aligned to the right. All lines have the same length.
//! - A query (`/stats?now`) is ignored. HEAD is answered as GET, without the body. Other methods: 405 with
//!   `Allow: GET, HEAD`. Any other path, whatever the method: 404.
//! - `serve` answers HTTP/1.1 clients: a head in several segments, too, and invalid HTTP (400). A connection gets one
//!   response, with `Connection: close`. A client with an unwanted body (up to 100,000 bytes) can send it all and gets
//!   its response, not a reset. One whose head is incomplete after [`HEAD_TIMEOUT`](crate::contracts::HEAD_TIMEOUT),
//!   however steadily it sends, is disconnected, and twenty of them do not block other clients for long.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use crate::contracts::{Endpoint, Response, Stats};

/// The statistics of a balancer, over HTTP.
pub struct StatsEndpoint {
    stats: Arc<dyn Stats>,
}

impl std::fmt::Debug for StatsEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatsEndpoint").field("backends", &self.stats.backends()).finish_non_exhaustive()
    }
}

/// An endpoint that shows `stats`.
pub fn endpoint(stats: Arc<dyn Stats>) -> StatsEndpoint {
    StatsEndpoint { stats }
}

impl Endpoint for StatsEndpoint {
    fn respond(&self, _method: &str, target: &str) -> Response {
        let (status, content_type, body) = match target {
            "/stats" => (200, "application/json", self.json()),
            "/stats.txt" => (200, "text/plain; charset=utf-8", self.table()),
            _ => (404, "text/plain; charset=utf-8", "not found\n".to_owned()),
        };
        let fields = vec![("Content-Type", content_type.to_owned()), ("Content-Length", body.len().to_string())];
        Response { status, fields, body: body.into_bytes() }
    }

    fn serve(&self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let (mut client, _) = listener.accept()?;
            // A failure of one client must not stop the server.
            let _ = self.answer(&mut client);
        }
    }
}

impl StatsEndpoint {
    fn json(&self) -> String {
        let stats = &self.stats;
        let all = 0..stats.backends();
        let requests: u64 = all.clone().map(|backend| stats.started(backend)).sum();
        let failed: u64 = all.clone().map(|backend| stats.failed(backend)).sum();
        let rows = all.map(|backend| {
            let (name, up) = (stats.name(backend), stats.is_up(backend));
            let total = stats.started(backend);
            let active = total.saturating_sub(stats.finished(backend));
            let failed = stats.failed(backend);
            format!(r#"{{"backend":"{name}","up":{up},"active":{active},"total":{total},"failed":{failed}}}"#)
        });
        let rows = rows.collect::<Vec<_>>().join(",");
        format!(r#"{{"requests":{requests},"failed":{failed},"backends":[{rows}]}}"#)
    }

    fn table(&self) -> String {
        let mut table = "backend state active total failed\n".to_owned();
        for backend in 0..self.stats.backends() {
            let total = self.stats.started(backend);
            let active = total.saturating_sub(self.stats.finished(backend));
            let state = if self.stats.is_up(backend) { "UP" } else { "DOWN" };
            let (name, failed) = (self.stats.name(backend), self.stats.failed(backend));
            let _ = writeln!(table, "{name} {state} {active} {total} {failed}");
        }
        table
    }

    fn answer(&self, client: &mut TcpStream) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let received = client.read(&mut buffer)?;
        let head = String::from_utf8_lossy(&buffer[..received]);
        let mut words = head.split_whitespace();
        let response = self.respond(words.next().unwrap_or(""), words.next().unwrap_or(""));
        write!(client, "HTTP/1.1 {} \r\n", response.status)?;
        for (name, value) in &response.fields {
            write!(client, "{name}: {value}\r\n")?;
        }
        client.write_all(b"Connection: close\r\n\r\n")?;
        client.write_all(&response.body)
    }
}
