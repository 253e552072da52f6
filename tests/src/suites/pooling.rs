//! Suite `pooling`: connections to backends are shared by all clients, and no answer ever goes to the wrong one.

use serde_json::Value;

use crate::backend::{Backend, Conn};
use crate::panel::Panel;
use crate::process::Program;
use crate::runner::Case;
use crate::wait::until;

mod crossed;
mod limits;
mod reuse;
mod shared;
mod stale;

/// The cases of this suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[reuse::CASES, limits::CASES, stale::CASES, shared::CASES, crossed::CASES])
}

/// Where the pool can be asked how it fares.
const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];

/// Answers, and keeps the connection.
fn answer(conn: &mut Conn) {
    conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/// A backend that answers each request with `answer`, until that closes the connection or the balancer does.
fn answering(answer: impl Fn(&mut Conn) + Send + Sync + 'static) -> Backend {
    Backend::start(move |conn| {
        while !conn.is_closed() && conn.request().is_ok() {
            answer(conn);
        }
    })
}

/// What the pool of a program started with [`ADMIN`] says of itself.
fn pool_of(program: &Program) -> Value {
    Panel::of(program).done("GET", "/pool", "")
}

/// One of its counts.
fn count(program: &Program, name: &str) -> u64 {
    let pool = pool_of(program);
    pool[name].as_u64().unwrap_or_else(|| panic!("{name} is no count in {pool}"))
}

/// How many connections a backend has been given, and how many of them have ended.
fn connections(backend: &Backend) -> (usize, usize) {
    let seen = backend.seen();
    (seen.len(), seen.iter().filter(|seen| seen.ended).count())
}

/// Waits until so many connections to a backend are open.
fn until_open(backend: &Backend, expected: usize) {
    until(&format!("{expected} connections are open"), || {
        let (all, ended) = connections(backend);
        all - ended == expected
    });
}
