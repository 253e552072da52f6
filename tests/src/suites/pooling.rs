//! Suite `pooling`: all clients share the connections to backends, and no response ever goes to the wrong client.

use serde_json::Value;

use crate::admin_client::AdminClient;
use crate::backend::{Backend, Conn};
use crate::process::Program;
use crate::wait::until;

pub(super) mod crossed;
pub(super) mod limits;
pub(super) mod reuse;
pub(super) mod shared;
pub(super) mod stale;

/// The flags for an admin interface, which serves the pool's statistics.
const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];

/// Answers, and keeps the connection open.
fn answer(conn: &mut Conn) {
    conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/// A backend that answers each request with `answer`, until that or the balancer closes the connection.
fn answering(answer: impl Fn(&mut Conn) + Send + Sync + 'static) -> Backend {
    Backend::start(move |conn| {
        while !conn.is_closed() && conn.request().is_ok() {
            answer(conn);
        }
    })
}

/// The pool statistics of a program started with [`ADMIN`].
fn pool_of(program: &Program) -> Value {
    AdminClient::of(program).request_ok("GET", "/pool", "")
}

/// One of the pool's counters.
fn count(program: &Program, name: &str) -> u64 {
    let pool = pool_of(program);
    pool[name].as_u64().unwrap_or_else(|| panic!("{name} is no counter in {pool}"))
}

/// How many connections a backend has accepted, and how many of them have ended.
fn connections(backend: &Backend) -> (usize, usize) {
    let seen = backend.recordings();
    (seen.len(), seen.iter().filter(|seen| seen.ended).count())
}

/// Waits until `expected` connections to a backend are open.
fn until_open(backend: &Backend, expected: usize) {
    until(&format!("{expected} connections are open"), || {
        let (all, ended) = connections(backend);
        all - ended == expected
    });
}
