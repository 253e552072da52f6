//! What the types that you write have to do. The checks know your types by these traits only.

use std::pin::Pin;
use std::time::{Duration, Instant};

/// Exercise 6.1: which of the connections that rest is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The one that came back last: a stack.
    LastIn,
    /// The one that has rested longest: a queue.
    FirstIn,
}

/// Exercise 6.1: what is done with a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A request takes a connection.
    Take,
    /// One that was taken comes back.
    Put,
}

/// Exercise 6.1: all that is done with a pool, with times that count from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What is done, and when: one after another, some perhaps at the same time.
    pub acts: Vec<(Duration, Act)>,
    /// How long a connection may rest.
    pub rest: Duration,
    /// When it ends, not before the last act.
    pub end: Duration,
}

/// Exercise 6.1: what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// How many connections were made.
    pub connects: usize,
    /// How many were closed, as they had rested too long.
    pub expired: usize,
    /// How many rest at the end.
    pub warm: usize,
}

/// Exercise 6.2: what a borrower has to show when it gives back what was lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// What was lent: the place of a connection in a table.
    pub slot: usize,
    /// To whom: what tells this lease from all others of the slot.
    pub turn: u64,
}

/// Exercise 6.2: how it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Slots that are not free.
    pub lent: usize,
    /// Leases that `expire` has found.
    pub leaked: u64,
    /// Calls of `renew` and `give_back` that were refused.
    pub refused: u64,
}

/// Exercise 6.2: connections in use, each lent for so long.
pub trait Leases {
    /// Lends a slot that is free. `None`: none is.
    fn lend(&mut self, now: Instant) -> Option<Lease>;

    /// The borrower gives a sign of life. False: refused.
    fn renew(&mut self, lease: Lease, now: Instant) -> bool;

    /// The borrower gives it back. False: refused.
    fn give_back(&mut self, lease: Lease, now: Instant) -> bool;

    /// Gives a lease whose time is over at `now`, and ends it; to be called until there is none. The caller closes the
    /// connection before it lends the next time.
    fn expire(&mut self, now: Instant) -> Option<Lease>;

    /// When the first of them will be over: until then `expire` need not be called. `None`: never.
    fn next(&self) -> Option<Instant>;

    /// How it stands.
    fn usage(&self) -> Usage;
}

/// Exercise 6.3: a task. It stays on its thread; its wakers go anywhere.
pub type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Exercise 6.3: what polls tasks, on one thread.
pub trait Executor {
    /// Takes in a task.
    fn spawn(&mut self, task: Task);

    /// Polls once each of those that have been woken. How many those were.
    fn turn(&mut self) -> usize;

    /// How many tasks have not ended.
    fn len(&self) -> usize;

    /// Whether all have.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Exercise 6.4: how far one may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// So many connections may be opened ahead, and no more.
    pub ahead: usize,
    /// So many connections there may be in all, those included that are being made.
    pub total: usize,
    /// For so long nothing is opened ahead after a connect that has failed.
    pub pause: Duration,
}

/// Exercise 6.4: what has just happened to the connections to one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A request came. It has taken a connection that rested, or waits for one.
    Taken,
    /// A connect has ended well after so long. Whoever waits has the connection, else it rests.
    Connected {
        /// How long it took.
        took: Duration,
    },
    /// A connect has come to nothing, and a request that waited is answered without a backend.
    Failed,
    /// A request has ended, and its connection can be used again. Whoever waits has it, else it rests.
    GivenBack,
    /// A connection is gone: with the request that had it, or as it had rested too long.
    Closed,
    /// Nothing. Comes ten times a second.
    Tick,
}

/// Exercise 6.4: the connections to one peer, after the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pool {
    /// Requests that wait for a connection.
    pub waiting: usize,
    /// Connections that requests have.
    pub in_use: usize,
    /// Connections that rest.
    pub idle: usize,
    /// Connections in the making.
    pub connecting: usize,
}

/// Exercise 6.4: who decides when to connect.
pub trait Preconnect {
    /// How many connects are to begin now. They are in the making when the next event comes.
    fn decide(&mut self, event: Event, pool: Pool, now: Instant) -> usize;
}
