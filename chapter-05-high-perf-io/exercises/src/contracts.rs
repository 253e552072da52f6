//! The traits of the types that you write. The checks use your types through these traits only.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Exercise 5.1: one step in the history of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// An edge-triggered event: it reports the state when it is delivered, and occurs only after something new has
    /// arrived.
    Event(Told),
    /// A read into a buffer that is never empty.
    Read {
        /// The buffer's length.
        room: usize,
        /// Its result.
        found: Found,
    },
}

/// Exercise 5.1: what an event reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// There is something to read: bytes, a FIN or an error.
    pub readable: bool,
    /// The peer's FIN has arrived, perhaps after unread bytes.
    pub read_closed: bool,
    /// The connection has failed. Bytes that arrived before may still be unread.
    pub error: bool,
}

/// Exercise 5.1: the result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This many bytes, at least one.
    Bytes(usize),
    /// The FIN: a read of 0 bytes.
    End,
    /// Nothing yet (`EAGAIN`).
    Nothing,
    /// Interrupted by a signal (`EINTR`).
    Interrupted,
    /// The connection has failed (`ECONNRESET`).
    Broken,
}

/// Exercise 5.2: the readiness that a socket is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
}

/// Exercise 5.2: a socket that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The token under which it is watched.
    pub token: usize,
    /// A read would not block. Never true for a socket that is not watched for it.
    pub read: bool,
    /// A write would not block. Never true for a socket that is not watched for it.
    pub write: bool,
}

/// Exercise 5.2: waits for many sockets at once, level-triggered.
pub trait Poller {
    /// Watches `socket` under a token that the caller chooses. The socket stays open at least as long as it is watched.
    ///
    /// `AlreadyExists`: another socket is watched under this token.
    fn watch(&mut self, token: usize, socket: Arc<OwnedFd>, interest: Interest) -> io::Result<()>;

    /// Changes the interest of a socket. `NotFound`: no socket is watched under this token.
    fn change(&mut self, token: usize, interest: Interest) -> io::Result<()>;

    /// Stops watching a socket, and drops it. `NotFound`: no socket is watched under this token.
    fn forget(&mut self, token: usize) -> io::Result<()>;

    /// Blocks until a socket is ready, or until `timeout` has passed (`None`: no timeout). Afterwards `ready` holds the
    /// sockets that are ready, and nothing else.
    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()>;
}

/// Exercise 5.3: timers, each with an id that the caller chooses.
pub trait Timers {
    /// Arms the timer `id` for `at`, or moves it there.
    fn arm(&mut self, id: u32, at: Instant);

    /// Disarms the timer, if it is armed.
    fn disarm(&mut self, id: u32);

    /// When the first armed timer is due: until then an event loop may block.
    fn next(&mut self) -> Option<Instant>;

    /// Returns a timer that is due at `now`, and disarms it. Call it until it returns `None`.
    fn expire(&mut self, now: Instant) -> Option<u32>;

    /// How many entries are stored, including obsolete ones.
    fn entries(&self) -> usize;
}

/// Exercise 5.4: the priority of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A health check, an operator's request: few, and worthless when late.
    Urgent,
    /// A client's connection.
    Normal,
}

/// Exercise 5.4: of this many pops in a row, at least one is a normal id, as long as one waits.
pub const SHARE: usize = 8;

/// Exercise 5.4: the order in which ready tasks run.
pub trait ReadyQueue {
    /// `id` is ready. If it is in the queue already, it stays where it is, unless it was normal and is urgent now.
    fn push(&mut self, id: u32, class: Class);

    /// Removes and returns the next id.
    fn pop(&mut self) -> Option<u32>;

    /// Removes `id` from the queue.
    fn forget(&mut self, id: u32);

    /// How many ids are in the queue.
    fn len(&self) -> usize;

    /// Whether the queue is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Exercise 5.5: wakes an event loop that blocks in `poll(2)` or `epoll`, through a descriptor that becomes readable.
pub trait Bell: Send + Sync + 'static {
    /// Makes the descriptor readable, if it is not. Any thread may call it, and it never blocks.
    fn ring(&self);

    /// Makes the descriptor unreadable, however often `ring` was called. Only the loop's own thread calls it, and it
    /// never blocks.
    fn silence(&self);
}

/// Exercise 5.5: a queue of messages from other threads to an event loop.
pub trait Mailbox<T>: Send + Sync + 'static {
    /// Adds a message. If the mailbox is closed, the message is returned.
    fn post(&self, message: T) -> Result<(), T>;

    /// Returns all messages since the last call. The loop calls it after its bell has rung.
    fn collect(&self) -> Vec<T>;

    /// Closes the mailbox, and returns the messages that are left.
    fn close(&self) -> Vec<T>;
}

/// Exercise 5.5: creates bells and mailboxes.
pub trait Office: Copy + Send + Sync + 'static {
    /// A bell, with the descriptor to poll.
    fn bell(self) -> io::Result<impl Bell + AsFd>;

    /// A mailbox whose loop is woken by `bell`.
    fn mailbox<T: Send + 'static>(self, bell: Arc<dyn Bell>) -> impl Mailbox<T>;
}
