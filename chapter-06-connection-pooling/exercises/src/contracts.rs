//! The types and traits of the exercises. The checks use your types only through these traits.

use std::pin::Pin;
use std::time::{Duration, Instant};

/// Exercise 6.1: which idle connection is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReuseOrder {
    /// The one that was returned last: a stack.
    Lifo,
    /// The longest idle one: a queue.
    Fifo,
}

/// Exercise 6.1: an operation on a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A request takes a connection.
    Take,
    /// A connection that was taken is returned.
    Put,
}

/// Exercise 6.1: the operations on a pool, with times since its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The operations and their times, in order; some may have the same time.
    pub operations: Vec<(Duration, Operation)>,
    /// The idle timeout of a connection.
    pub idle_timeout: Duration,
    /// When the trace ends, not before the last operation.
    pub end: Duration,
}

/// Exercise 6.1: the result of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceResult {
    /// How many connections were opened.
    pub connects: usize,
    /// How many were closed by the idle timeout.
    pub expired: usize,
    /// How many are idle at the end.
    pub idle: usize,
}

/// Exercise 6.2: the right to use a slot for a limited time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The slot: the index of a connection in a table.
    pub slot: usize,
    /// Distinguishes this lease from all others of the slot.
    pub generation: u64,
}

/// Exercise 6.2: the counters of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Slots that are not free.
    pub in_use: usize,
    /// Leases that `expire` has returned.
    pub leaked: u64,
    /// Calls of `renew` and `release` that were rejected.
    pub rejected: u64,
}

/// Exercise 6.2: connections in use, each leased for a limited time.
pub trait Leases {
    /// Leases a free slot. `None`: no slot is free.
    fn acquire(&mut self, now: Instant) -> Option<Lease>;

    /// Extends a lease: its holder is alive. False: rejected.
    fn renew(&mut self, lease: Lease, now: Instant) -> bool;

    /// Ends a lease: its holder returns the slot. False: rejected.
    fn release(&mut self, lease: Lease, now: Instant) -> bool;

    /// Ends a lease that has expired at `now`, and returns it. Call it until it returns `None`. The caller closes the
    /// connection before the next `acquire`.
    fn expire(&mut self, now: Instant) -> Option<Lease>;

    /// When the first lease expires: until then `expire` need not be called. `None`: never.
    fn next(&self) -> Option<Instant>;

    /// The counters.
    fn usage(&self) -> Usage;
}

/// Exercise 6.3: a task. It stays on its thread; its wakers may go to any thread.
pub type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Exercise 6.3: polls tasks on one thread.
pub trait Executor {
    /// Adds a task.
    fn spawn(&mut self, task: Task);

    /// Polls each task that has been woken once. Returns how many it has polled.
    fn turn(&mut self) -> usize;

    /// How many tasks have not ended.
    fn len(&self) -> usize;

    /// Whether all tasks have ended.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Exercise 6.4: the limits of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many connections may be opened ahead of requests.
    pub max_ahead: usize,
    /// How many connections there may be in total, including those that are connecting.
    pub max_connections: usize,
    /// How long nothing is opened ahead after a failed connect.
    pub backoff: Duration,
}

/// Exercise 6.4: an event in the pool of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A request has arrived. It has taken an idle connection, or waits for one.
    RequestArrived,
    /// A connect has succeeded. A waiting request has the connection; if none waits, it is idle.
    Connected {
        /// How long the connect took.
        took: Duration,
    },
    /// A connect has failed, and a waiting request gets a local reply.
    ConnectFailed,
    /// A request has ended, and its connection can be reused. A waiting request has it; if none waits, it is idle.
    Released,
    /// A connection was closed: with its request, or by the idle timeout.
    Closed,
    /// A timer, ten times a second.
    Tick,
}

/// Exercise 6.4: the pool of one peer, after the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolState {
    /// Requests that wait for a connection.
    pub waiting: usize,
    /// Connections that are used by requests.
    pub in_use: usize,
    /// Idle connections.
    pub idle: usize,
    /// Connects in progress.
    pub connecting: usize,
}

/// Exercise 6.4: a policy that decides when to connect.
pub trait Preconnect {
    /// Returns how many connects to start now. They count as connecting from the next event on.
    fn decide(&mut self, event: Event, pool: PoolState, now: Instant) -> usize;
}
