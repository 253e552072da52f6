//! The traits that your types implement. The checks use your types only through these traits.
//!
//! Backends are numbered from 0, in the order of the command line. `up` always has one entry per backend.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Exercise 3.2: weighted round robin.
pub trait WeightedRoundRobin {
    /// Picks the next backend; `None` if no backend is up that has a weight above 0.
    fn next(&mut self, up: &[bool]) -> Option<usize>;
}

/// Exercise 3.3: sends each request to the backend with the fewest requests in flight. Any thread may call it.
pub trait LeastRequests: Send + Sync + 'static {
    /// Held by a request while it is in flight.
    type Guard: RequestGuard;

    /// Chooses among the backends that are up and counts the request, in one step; `None` if none is up.
    fn choose(&self, up: &[bool]) -> Option<Self::Guard>;

    /// How many requests are in flight on `backend`.
    fn in_flight(&self, backend: usize) -> usize;
}

/// Exercise 3.3: one request in flight.
///
/// It is counted until [`finish`](Self::finish) is called or it is dropped, whichever comes first, and released once.
pub trait RequestGuard: Send + 'static {
    /// The backend that was chosen.
    fn backend(&self) -> usize;

    /// Ends the request, after its response.
    fn finish(self);
}

/// Exercise 3.4: a keyed hash. The function contains the secret; without the secret, the hash cannot be computed.
///
/// The same text and the same secret give the same hash, even after a restart or in another process.
pub type KeyedHash = dyn Fn(&str) -> u64;

/// Exercise 3.5: the timing and the thresholds of health checks, with HAProxy's names.
#[derive(Debug, Clone, Copy)]
pub struct CheckSettings {
    /// From the end of a check to the start of the next.
    pub interval: Duration,
    /// How long a connect may take.
    pub timeout: Duration,
    /// How many failures in a row mark a backend down. At least 1.
    pub fall: u32,
    /// How many successes in a row mark it up. At least 1.
    pub rise: u32,
}

/// Exercise 3.5: a change of a backend's health status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// It is up again.
    Up,
    /// It is marked down.
    Down,
}

/// Exercise 3.5: a backend to check.
#[derive(Debug, Clone)]
pub struct HealthTarget {
    /// The address to connect to.
    pub address: SocketAddr,
    /// The health status, written by the checker. True when the checks begin.
    pub up: Arc<AtomicBool>,
}

/// Exercise 3.5: checks the health of backends by connecting to them.
pub trait HealthChecker {
    /// See [`CheckState`].
    type State: CheckState;
    /// See [`RunningChecks`].
    type Running: RunningChecks;

    /// The check state of one backend, up at first. It uses no socket and no clock.
    fn check_state(&self) -> Self::State;

    /// Checks all of `backends`, each at once and then at every interval, until stopped.
    ///
    /// A check is a connect; a successful connection is closed without sending a byte. A slow backend does not delay
    /// the checks of the others.
    fn start(&self, backends: Vec<HealthTarget>) -> io::Result<Self::Running>;
}

/// Exercise 3.5: the state of one backend, from the results of its checks.
pub trait CheckState {
    /// Records the result of a check; returns a change of the state, once per change.
    fn observe(&mut self, ok: bool) -> Option<StatusChange>;
}

/// Exercise 3.5: running checks.
pub trait RunningChecks: Send + 'static {
    /// Stops the checks. Returns when the last thread has ended, within one `timeout`, however long `interval` is.
    fn stop(self);
}

/// Exercise 3.6: the counters of a running balancer. They change while you read them.
///
/// A request is counted in `started`, later in `finished`, and then, if it failed, in `failed`. So at every moment
/// `failed <= finished <= started`. A counter never decreases.
pub trait Stats: Send + Sync + 'static {
    /// How many backends there are.
    fn backends(&self) -> usize;
    /// The name of a backend, as configured.
    fn name(&self, backend: usize) -> String;
    /// Whether a backend is up.
    fn is_up(&self, backend: usize) -> bool;
    /// Requests that were sent to a backend.
    fn started(&self, backend: usize) -> u64;
    /// Requests that have ended.
    fn finished(&self, backend: usize) -> u64;
    /// Finished requests that failed.
    fn failed(&self, backend: usize) -> u64;
}

/// Exercise 3.6: a response, before it is serialized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Name and value of each header, including `Content-Type` and `Content-Length`.
    pub fields: Vec<(&'static str, String)>,
    /// The body; empty for HEAD.
    pub body: Vec<u8>,
}

/// Exercise 3.6: the timeout for the head of a request, from the connect to the empty line.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// Exercise 3.6: the statistics, for people and for programs.
pub trait Endpoint: Send + Sync + 'static {
    /// The response to a request. It uses no socket.
    fn respond(&self, method: &str, target: &str) -> Response;

    /// Serves clients, one request each, until accepting fails. A slow client delays others by about [`HEAD_TIMEOUT`]
    /// at most.
    fn serve(&self, listener: &TcpListener) -> io::Result<()>;
}
