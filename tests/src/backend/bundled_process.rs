//! The bundled backends in their own process, for thousands of clients.
//!
//! A scripted backend has a thread per connection, and its descriptors count against the test's limit. These backends
//! are event loops (`axum` on `hyper`), and they count their open connections.

use std::net::SocketAddr;
use std::process::ExitCode;

use common::{net, outln};

use super::own_process::{is_started_as, start, until_orphaned};
use crate::Context;
use crate::client::Client;
use crate::process::Program;

/// The argument that starts this test program as the backends.
const ROLE: &str = "--as-bundled-backends";
const COUNT: usize = 3;

/// Three backends. Dropped: killed and waited for.
#[derive(Debug)]
pub struct BundledProcess(Program);

impl BundledProcess {
    /// Starts them on ephemeral ports.
    pub fn start(ctx: &Context) -> Self {
        Self(start(ctx, ROLE))
    }

    /// The addresses they listen on.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        let said = self.0.stdout();
        said.lines().filter_map(|line| line.strip_prefix("backend ")?.parse().ok()).collect()
    }

    /// How many connections are open to all of them, without the one that reads the counter.
    pub fn open_connections(&self) -> u64 {
        self.addrs().into_iter().map(open_connections).sum()
    }
}

fn open_connections(addr: SocketAddr) -> u64 {
    let answer = Client::connect(addr).get("/count").text();
    let counts: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
    let open = counts["open_connections"].as_u64().unwrap_or_else(|| panic!("{addr} has no counter: {answer}"));
    open - 1
}

/// If this process was started as the backends: runs them and returns the exit code.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    is_started_as(ROLE).then(run)
}

fn run() -> ExitCode {
    let started = net::raise_fd_limit().and_then(|_| backends::start_bundled(COUNT, 0));
    let Ok(bundled_backends) = started else { return ExitCode::FAILURE };
    for addr in bundled_backends.addrs() {
        outln!("backend {addr}");
    }
    outln!("listening on {}", bundled_backends.addrs()[0]);
    until_orphaned();
    ExitCode::SUCCESS
}
