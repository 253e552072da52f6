//! Third-party HTTP: curl, Python's `http.client` and `http.server`, hyper on both sides; Prometheus, which scrapes;
//! HAProxy, which relays; a WebSocket client; and Redis and PostgreSQL, whose protocols are others.
//!
//! A test that only runs our client against our balancer could contain the same mistake twice.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use tokio::sync::oneshot;

use crate::wait::{TEST_TIMEOUT, eventually};

mod haproxy;
mod hyper_client;
mod hyper_server;
mod postgres;
mod prometheus;
mod redis;
mod websocket;

pub(crate) use haproxy::Haproxy;
pub use hyper_client::{HyperResponse, hyper_exchange};
pub use hyper_server::HyperServer;
pub(crate) use postgres::Postgres;
pub(crate) use prometheus::Prometheus;
pub(crate) use redis::Redis;
pub(crate) use websocket::expect_websocket_echo;

/// Runs `program` with `input` on its standard input and returns its standard output.
///
/// `None`, with the reason printed, when the program is not installed.
pub fn run(program: &str, args: &[&str], input: &[u8]) -> Option<String> {
    let spawned =
        Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: {program} does not start: {error}");
            return None;
        }
    };
    let (mut stdin, input) = (child.stdin.take().expect("piped"), input.to_vec());
    // On a thread: a program that prints before it has read its whole input would block us.
    let feeder = thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    let _ = feeder.join();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// curl with `args`, silent and bounded in time.
pub fn curl(args: &[&str], input: &[u8]) -> Option<String> {
    let mut all = vec!["-sS", "--max-time", "20", "--noproxy", "*"];
    all.extend(args);
    run("curl", &all, input)
}

/// Python with this script; `args` are `sys.argv[1:]`.
pub fn python(script: &str, args: &[&str]) -> Option<String> {
    let mut all = vec!["-c", script];
    all.extend(args);
    run("python3", &all, b"")
}

/// Python's `http.server`, serving a directory. Dropped: killed.
#[derive(Debug)]
pub struct PythonServer {
    child: Child,
    addr: SocketAddr,
}

impl PythonServer {
    /// Starts it; `None`, with the reason printed, when there is no Python.
    pub fn serve(directory: &Path) -> Option<Self> {
        let mut child = Command::new("python3")
            .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory"])
            .arg(directory)
            .arg("0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| println!("skipped: python3 does not start: {error}"))
            .ok()?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        let port = line.split_whitespace().skip_while(|word| *word != "port").nth(1);
        let port = port.and_then(|port| port.parse().ok());
        let mut server = Self { child, addr: SocketAddr::from(([127, 0, 0, 1], port.unwrap_or(0))) };
        if read.is_err() || port.is_none() {
            let _ = server.child.kill();
            panic!("python's http.server said {line:?}");
        }
        Some(server)
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for PythonServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = eventually(TEST_TIMEOUT, || self.child.try_wait().ok().flatten());
    }
}

/// A tokio runtime for one thread.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A listener, and a guard that ends a server thread when dropped.
fn listener() -> (TcpListener, oneshot::Sender<()>, oneshot::Receiver<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (stop, ended) = oneshot::channel();
    (listener, stop, ended)
}
