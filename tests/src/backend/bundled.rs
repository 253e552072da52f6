//! The bundled backends in a process of their own, for clients by the thousand.
//!
//! A scripted backend has a thread for each connection, and its descriptors are the test's. These are loops (`axum` on
//! `hyper`), and they count the connections that are open.

use std::net::SocketAddr;
use std::process::ExitCode;

use common::{net, outln};

use super::separate::{start, until_orphaned};
use crate::Context;
use crate::client::Client;
use crate::process::Program;

/// The word that makes this test program be them.
pub(super) const ROLE: &str = "--as-bundled-backends";
const COUNT: usize = 3;

/// Three of them. Dropped: killed and waited for.
#[derive(Debug)]
pub struct Bundled(Program);

impl Bundled {
    /// Starts them on ports the kernel chooses.
    pub fn start(ctx: &Context) -> Self {
        Self(start(ctx, ROLE))
    }

    /// Where they listen.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        let said = self.0.stdout();
        said.lines().filter_map(|line| line.strip_prefix("backend ")?.parse().ok()).collect()
    }

    /// How many connections are open to all of them, but for our own.
    pub fn open_connections(&self) -> u64 {
        self.addrs().into_iter().map(open_connections).sum()
    }
}

fn open_connections(addr: SocketAddr) -> u64 {
    let answer = Client::connect(addr).get("/count").text();
    let counts: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
    let open = counts["open_connections"].as_u64().unwrap_or_else(|| panic!("{addr} counts nothing: {answer}"));
    open - 1
}

pub(super) fn run() -> ExitCode {
    let started = net::raise_fd_limit().and_then(|_| backends::start_bundled(COUNT, 0));
    let Ok(bundle) = started else { return ExitCode::FAILURE };
    for addr in bundle.addrs() {
        outln!("backend {addr}");
    }
    outln!("listening on {}", bundle.addrs()[0]);
    until_orphaned();
    ExitCode::SUCCESS
}
