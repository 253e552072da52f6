//! What the types that you write have to do. The checks know your types by these traits only.
//!
//! Backends are numbered from 0, in the order of the command line. `up` always has one entry for each of them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Exercise 3.2: says whose turn it is, by weight.
pub trait Turns {
    /// The backend of the next turn; `None` if none is up that has a weight.
    fn next(&mut self, up: &[bool]) -> Option<usize>;
}

/// Exercise 3.3: sends each request to the backend that has the fewest under way. Any thread may ask.
pub trait LeastInFlight: Send + Sync + 'static {
    /// What a request holds while it is under way.
    type Ticket: Ticket;

    /// Chooses among the backends that are up and counts the request, in one step; `None` if none is up.
    fn choose(&self, up: &[bool]) -> Option<Self::Ticket>;

    /// How many requests are under way on `backend`.
    fn in_flight(&self, backend: usize) -> usize;
}

/// Exercise 3.3: one request under way.
///
/// It is counted until [`finish`](Self::finish) is called or it is dropped, whichever comes first, and given back once.
pub trait Ticket: Send + 'static {
    /// The backend that was chosen.
    fn backend(&self) -> usize;

    /// The request was answered.
    fn finish(self);
}

/// Exercise 3.4: a hash that only the holder of the secret can compute. The secret is inside.
///
/// Alike for the same text as long as the secret is the same: after a restart too, and in another process.
pub type Keyed = dyn Fn(&str) -> u64;

/// Exercise 3.5: when and how a backend is checked.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// From the end of a check to the start of the next.
    pub interval: Duration,
    /// How long a connect may take.
    pub timeout: Duration,
    /// So many failures in a row take a backend down. At least 1.
    pub fall: u32,
    /// So many successes in a row bring it back. At least 1.
    pub rise: u32,
}

/// Exercise 3.5: news about a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is back.
    Up,
    /// It is to be left out.
    Down,
}

/// Exercise 3.5: a backend to watch.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where the checker says whether it is up. True when the checks begin.
    pub up: Arc<AtomicBool>,
}

/// Exercise 3.5: checks the health of backends.
pub trait Health {
    /// See [`Counter`].
    type Counter: Counter;
    /// See [`Watch`].
    type Watch: Watch;

    /// The state of one backend, up at first. No socket and no clock.
    fn counter(&self) -> Self::Counter;

    /// Checks all of `backends`, each at once and then again and again, until told to stop.
    ///
    /// A check is a connect: one that succeeds is closed without a byte. However slow one backend is, the checks of
    /// the others go on.
    fn watch(&self, backends: Vec<Watched>) -> io::Result<Self::Watch>;
}

/// Exercise 3.5: what the results of one backend's checks add up to.
pub trait Counter {
    /// Takes the result of a check; gives what is news, and news once.
    fn observe(&mut self, ok: bool) -> Option<Change>;
}

/// Exercise 3.5: checks that are under way.
pub trait Watch: Send + 'static {
    /// Ends them. Returns when the last thread has ended, within one `timeout`, however long the `interval`.
    fn stop(self);
}

/// Exercise 3.6: the counters of a running balancer. They move while you read.
///
/// A request is counted in `started`, later in `finished`, and then, if it failed, in `failed`. So at every moment
/// `failed <= finished <= started`. A count never shrinks.
pub trait Stats: Send + Sync + 'static {
    /// How many backends there are.
    fn backends(&self) -> usize;
    /// The name of one, as configured.
    fn name(&self, backend: usize) -> String;
    /// Whether it is up.
    fn is_up(&self, backend: usize) -> bool;
    /// Requests that were sent to it.
    fn started(&self, backend: usize) -> u64;
    /// Those of them that are over.
    fn finished(&self, backend: usize) -> u64;
    /// Those of the finished ones that failed.
    fn failed(&self, backend: usize) -> u64;
}

/// Exercise 3.6: an answer, before it becomes bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Name and value of each field, `Content-Type` and `Content-Length` among them.
    pub fields: Vec<(&'static str, String)>,
    /// The body; empty for HEAD.
    pub body: Vec<u8>,
}

/// Exercise 3.6: how long a client may take for the head of its request, from its connect to the empty line.
pub const HEAD_TIME: Duration = Duration::from_secs(1);

/// Exercise 3.6: the statistics, for people and for programs.
pub trait Endpoint: Send + Sync + 'static {
    /// Answers a request. No socket.
    fn respond(&self, method: &str, target: &str) -> Response;

    /// Answers clients, one request each, until accepting fails. No client waits for a slow one longer than
    /// [`HEAD_TIME`] or so.
    fn serve(&self, listener: &TcpListener) -> io::Result<()>;
}
