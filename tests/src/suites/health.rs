//! Suite `health`: which backends are taken out of rotation, on what evidence, and how they return.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::sys::signal::Signal;

use crate::backend::{Backend, Conn, Request, ok_response};
use crate::process::Program;
use crate::suites::balance::row;
use crate::wait::until;

pub(super) mod checks;
pub(super) mod probes;
pub(super) mod responses;
pub(super) mod traffic;

/// A backend whose health check can be made to fail; it answers every other request with 200 and its name.
struct CheckedBackend {
    backend: Backend,
    healthy: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
}

impl CheckedBackend {
    fn new(name: &'static str) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let healthy = Arc::new(AtomicBool::new(true));
        let (is_healthy, counted) = (Arc::clone(&healthy), Arc::clone(&requests));
        let backend = Backend::start(move |conn| {
            respond_with(conn, |request| {
                if request.head.target != "/health" {
                    counted.fetch_add(1, Ordering::SeqCst);
                    return ok_response(name);
                }
                if is_healthy.load(Ordering::SeqCst) { ok_response("healthy") } else { failure() }
            });
        });
        Self { backend, healthy, requests }
    }

    fn addr(&self) -> SocketAddr {
        self.backend.addr()
    }

    fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::SeqCst);
    }

    /// Requests other than health checks.
    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn checked_backends<const N: usize>(names: [&'static str; N]) -> ([CheckedBackend; N], Vec<SocketAddr>) {
    let checked_backends = names.map(CheckedBackend::new);
    let addrs = checked_backends.iter().map(CheckedBackend::addr).collect();
    (checked_backends, addrs)
}

/// Answers the one request of a connection.
fn respond_with(conn: &mut Conn, answer: impl Fn(&Request) -> Vec<u8>) {
    if let Ok(request) = conn.request() {
        conn.write(answer(&request));
    }
    conn.close();
}

fn failure() -> Vec<u8> {
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
}

/// The state of this backend in the program's table now.
fn state(program: &Program, addr: SocketAddr) -> String {
    let tables = || program.stdout().matches("--- statistics").count();
    let before = tables();
    program.signal(Signal::SIGUSR1);
    let mut last = String::new();
    until("a complete table", || {
        let all = program.stdout();
        all.rsplit("--- statistics").next().unwrap_or_default().clone_into(&mut last);
        tables() > before && last.contains(&addr.to_string())
    });
    row(&last, addr).0
}

fn until_state(program: &Program, addr: SocketAddr, wanted: &str) {
    until(wanted, || state(program, addr) == wanted);
}
