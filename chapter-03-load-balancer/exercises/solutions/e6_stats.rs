//! Exercise 3.6, solved.
//!
//! One snapshot per answer, read against the order in which the counters are written: a request that ends while you
//! read can only make `total` larger than it was. Everything shown comes from that snapshot. The head is read by
//! `common::http`, as the balancer reads it, against *one* deadline: a timeout that starts again with each byte is none.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::http::Head;
use serde::Serialize;

use crate::contracts::{Endpoint, HEAD_TIME, Response, Stats};

/// Answers at one time. Fixed, so that no number of clients becomes a number of threads.
const WORKERS: usize = 16;
/// What is read and thrown away of a body, so that its sender gets to the answer.
const MAX_UNREAD_BYTES: u64 = 256 * 1024;
/// How long that may take.
const LINGER_TIME: Duration = Duration::from_secs(2);

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The statistics of a balancer, by HTTP.
pub struct Statistics {
    stats: Arc<dyn Stats>,
}

impl std::fmt::Debug for Statistics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statistics").field("backends", &self.stats.backends()).finish_non_exhaustive()
    }
}

/// An endpoint that shows `stats`.
pub fn endpoint(stats: Arc<dyn Stats>) -> Statistics {
    Statistics { stats }
}

/// What an answer shows: every counter read once.
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
        // Last written, first read: what is counted in between is at most missing in the earlier reads.
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
            // Writing to a string does not fail.
            let _ = writeln!(table, "{backend:width$}  {state:5}  {active:>8}  {total:>12}  {failed:>12}");
        }
        table
    }
}

impl Endpoint for Statistics {
    fn respond(&self, method: &str, target: &str) -> Response {
        let (path, _query) = target.split_once('?').unwrap_or((target, ""));
        if !matches!(path, "/stats" | "/stats.txt") {
            return whole(404, TEXT, "/stats and /stats.txt are here\n".to_owned(), method);
        }
        if !matches!(method, "GET" | "HEAD") {
            let mut response = whole(405, TEXT, "only GET and HEAD\n".to_owned(), method);
            response.fields.push(("Allow", "GET, HEAD".to_owned()));
            return response;
        }
        let snapshot = Snapshot::read(&*self.stats);
        if path == "/stats" {
            whole(200, JSON, snapshot.json(), method)
        } else {
            whole(200, TEXT, snapshot.table(), method)
        }
    }

    fn serve(&self, listener: &TcpListener) -> io::Result<()> {
        // No queue: who is not accepted yet waits in the listener's backlog.
        let (accepted, to_answer) = mpsc::sync_channel(0);
        let to_answer = &Mutex::new(to_answer);
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                thread::Builder::new().name("statistics".to_owned()).spawn_scoped(scope, || self.work(to_answer))?;
            }
            // Moved in here, so that whichever way this ends, the workers see the end of their channel.
            let accepted = accepted;
            loop {
                match listener.accept() {
                    Ok((client, _)) => accepted.send(client).map_err(io::Error::other)?,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }
}

impl Statistics {
    /// Answers one client after another until there will be no more.
    fn work(&self, to_answer: &Mutex<Receiver<TcpStream>>) {
        // The lock is held by whoever waits for the next client, not while one is answered.
        let next = || to_answer.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok(client) = next() {
            // A client that resets or does not read ends only itself.
            let _ = self.answer(client);
        }
    }

    fn answer(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_write_timeout(Some(HEAD_TIME))?;
        let response = self.response_to(&mut client, after(HEAD_TIME))?;
        // No reason phrase: nobody needs one (RFC 9112 §4). The space before it stays.
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

    /// Reads a head and answers it. An error if none came in time.
    fn response_to(&self, client: &mut TcpStream, deadline: Instant) -> io::Result<Response> {
        let (mut head, mut scanned) = (Head::new(), 0);
        let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match read(client, &mut buffer, deadline)? {
                0 => return Ok(whole(400, TEXT, "half a request\n".to_owned(), "")),
                count => received.extend_from_slice(&buffer[..count]),
            }
            match head.read_request(&received, &mut scanned) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    let view = head.view(&received);
                    let text = String::from_utf8_lossy;
                    return Ok(self.respond(&text(view.method_name()), &text(view.target())));
                }
                Err(refusal) => return Ok(whole(refusal.status(), TEXT, format!("{refusal}\n"), "")),
            }
        }
    }
}

/// A response with its length; for HEAD without its body.
fn whole(status: u16, content_type: &str, body: String, method: &str) -> Response {
    let fields = vec![("Content-Type", content_type.to_owned()), ("Content-Length", body.len().to_string())];
    let body = if method == "HEAD" { Vec::new() } else { body.into_bytes() };
    Response { status, fields, body }
}

/// Ends the connection in a way that the answer survives: closing with bytes unread would be a reset, which may
/// overtake it.
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

/// Reads what is there, before the deadline.
fn read(client: &mut TcpStream, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
    let left = deadline.saturating_duration_since(after(Duration::ZERO));
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    client.set_read_timeout(Some(left))?;
    client.read(buffer)
}

/// The moment so much later than now.
#[expect(clippy::disallowed_methods, reason = "the engine of this exercise: its deadlines are real time")]
fn after(length: Duration) -> Instant {
    Instant::now() + length
}
