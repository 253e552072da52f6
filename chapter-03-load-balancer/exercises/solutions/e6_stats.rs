//! Exercise 3.6, solved.
//!
//! One snapshot per response, read in the reverse of the order in which the counters are written: a request that ends
//! during the read can only make `total` larger. All values in the response come from that snapshot. The head is parsed
//! by `common::http`, as in the balancer, with *one* deadline: a timeout that restarts with each byte is no limit.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::http::Head;
use serde::Serialize;

use crate::contracts::{Endpoint, HEAD_TIMEOUT, Response, Stats};

/// Requests served at once. Fixed, so that the number of threads does not depend on the number of clients.
const WORKERS: usize = 16;
/// How much of an unwanted body is read and discarded, so that its sender can read the response.
const MAX_UNREAD_BYTES: u64 = 256 * 1024;
/// How long that may take.
const LINGER_TIME: Duration = Duration::from_secs(2);

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

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

/// The values of one response: every counter is read once.
#[derive(Debug, Serialize)]
struct Snapshot {
    requests: u64,
    failed: u64,
    backends: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    backend: String,
    up: bool,
    active: u64,
    total: u64,
    failed: u64,
}

impl Row {
    fn read(stats: &dyn Stats, backend: usize) -> Self {
        // The counter written last is read first: a request counted in between is only missing in earlier reads.
        let failed = stats.failed(backend);
        let finished = stats.finished(backend);
        let total = stats.started(backend);
        let active = total.saturating_sub(finished);
        Self { backend: stats.name(backend), up: stats.is_up(backend), active, total, failed }
    }
}

impl Snapshot {
    fn read(stats: &dyn Stats) -> Self {
        let backends: Vec<_> = (0..stats.backends()).map(|backend| Row::read(stats, backend)).collect();
        let requests = backends.iter().map(|row| row.total).sum();
        let failed = backends.iter().map(|row| row.failed).sum();
        Self { requests, failed, backends }
    }

    fn json(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and booleans")
    }

    fn table(&self) -> String {
        let names = self.backends.iter().map(|row| row.backend.chars().count());
        let width = names.fold("backend".len(), usize::max);
        let mut table = format!("{:width$}  state  {:>8}  {:>12}  {:>12}\n", "backend", "active", "total", "failed");
        for Row { backend, up, active, total, failed } in &self.backends {
            let state = if *up { "UP" } else { "DOWN" };
            // Writing to a String cannot fail.
            let _ = writeln!(table, "{backend:width$}  {state:5}  {active:>8}  {total:>12}  {failed:>12}");
        }
        table
    }
}

impl Endpoint for StatsEndpoint {
    fn respond(&self, method: &str, target: &str) -> Response {
        let (path, _query) = target.split_once('?').unwrap_or((target, ""));
        if !matches!(path, "/stats" | "/stats.txt") {
            return response(404, TEXT, "/stats and /stats.txt are here\n".to_owned(), method);
        }
        if !matches!(method, "GET" | "HEAD") {
            let mut response = response(405, TEXT, "only GET and HEAD\n".to_owned(), method);
            response.fields.push(("Allow", "GET, HEAD".to_owned()));
            return response;
        }
        let snapshot = Snapshot::read(&*self.stats);
        if path == "/stats" {
            response(200, JSON, snapshot.json(), method)
        } else {
            response(200, TEXT, snapshot.table(), method)
        }
    }

    fn serve(&self, listener: &TcpListener) -> io::Result<()> {
        // No queue here: clients that are not accepted yet wait in the listener's backlog.
        let (accepted_tx, accepted_rx) = mpsc::sync_channel(0);
        let accepted_rx = &Mutex::new(accepted_rx);
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                thread::Builder::new()
                    .name("statistics".to_owned())
                    .spawn_scoped(scope, || self.run_worker(accepted_rx))?;
            }
            // Moved into the closure, so that it is dropped however this ends, and the workers end.
            let accepted_tx = accepted_tx;
            loop {
                match listener.accept() {
                    Ok((client, _)) => accepted_tx.send(client).map_err(io::Error::other)?,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }
}

impl StatsEndpoint {
    /// Answers one client after another until the channel is closed.
    fn run_worker(&self, accepted_rx: &Mutex<Receiver<TcpStream>>) {
        // The lock is held while waiting for the next client, not while answering one.
        let next = || accepted_rx.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok(client) = next() {
            // An error, such as a reset or a write timeout, ends only this connection.
            let _ = self.answer(client);
        }
    }

    fn answer(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_write_timeout(Some(HEAD_TIMEOUT))?;
        let response = self.response_to(&mut client, after(HEAD_TIMEOUT))?;
        // The reason phrase is optional (RFC 9112 §4), but the space before it is not.
        let mut bytes = format!("HTTP/1.1 {} \r\n", response.status);
        for (name, value) in &response.fields {
            let _ = write!(bytes, "{name}: {value}\r\n");
        }
        bytes.push_str("Connection: close\r\n\r\n");
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(&response.body);
        client.write_all(&bytes)?;
        linger(&mut client)
    }

    /// Reads a request head and answers it. An error if it is not complete in time.
    fn response_to(&self, client: &mut TcpStream, deadline: Instant) -> io::Result<Response> {
        let (mut head, mut scanned) = (Head::new(), 0);
        let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match read(client, &mut buffer, deadline)? {
                0 => return Ok(response(400, TEXT, "incomplete request\n".to_owned(), "")),
                count => received.extend_from_slice(&buffer[..count]),
            }
            match head.read_request(&received, &mut scanned) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    let view = head.view(&received);
                    let text = String::from_utf8_lossy;
                    return Ok(self.respond(&text(view.method_name()), &text(view.target())));
                }
                Err(error) => return Ok(response(error.status(), TEXT, format!("{error}\n"), "")),
            }
        }
    }
}

/// A response with `Content-Length`; for HEAD, without its body.
fn response(status: u16, content_type: &str, body: String, method: &str) -> Response {
    let fields = vec![("Content-Type", content_type.to_owned()), ("Content-Length", body.len().to_string())];
    let body = if method == "HEAD" { Vec::new() } else { body.into_bytes() };
    Response { status, fields, body }
}

/// Lingering close: closing with unread bytes would send a reset, which may reach the client before the response.
fn linger(client: &mut TcpStream) -> io::Result<()> {
    client.shutdown(Shutdown::Write)?;
    let (deadline, mut unread, mut buffer) = (after(LINGER_TIME), 0, [0; 4096]);
    while unread < MAX_UNREAD_BYTES {
        match read(client, &mut buffer, deadline)? {
            0 => break,
            count => unread += count as u64,
        }
    }
    Ok(())
}

/// Reads the next bytes, before the deadline.
fn read(client: &mut TcpStream, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
    let remaining = deadline.saturating_duration_since(after(Duration::ZERO));
    if remaining.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    client.set_read_timeout(Some(remaining))?;
    client.read(buffer)
}

/// The instant that is `duration` from now.
#[expect(clippy::disallowed_methods, reason = "the engine of this exercise: its deadlines are real time")]
fn after(duration: Duration) -> Instant {
    Instant::now() + duration
}
