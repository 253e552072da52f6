//! The types and traits of the exercises. The checks use your types only through these traits.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Exercise 5.1: an entry in the history of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryEntry {
    /// An edge-triggered event: it reports the state when it is delivered, and occurs only after something new has
    /// arrived.
    Event(Readiness),
    /// A read into a buffer that is never empty.
    Read {
        /// The buffer's length.
        buffer_len: usize,
        /// Its result.
        result: ReadResult,
    },
}

/// Exercise 5.1: what an event reports, as `mio::event::Event` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness {
    /// There is something to read: bytes, a FIN or an error.
    pub readable: bool,
    /// The peer's FIN has arrived, perhaps after unread bytes.
    pub read_closed: bool,
    /// The connection has failed. Bytes that arrived before may still be unread.
    pub error: bool,
}

/// Exercise 5.1: the result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadResult {
    /// This many bytes, at least one.
    Bytes(usize),
    /// The FIN: a read of 0 bytes.
    Eof,
    /// Nothing to read yet (`EAGAIN`).
    WouldBlock,
    /// Interrupted by a signal (`EINTR`).
    Interrupted,
    /// The connection has failed (`ECONNRESET`).
    ConnectionReset,
}

/// Exercise 5.2: the readiness that a socket is registered for.
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
    /// The token under which it is registered.
    pub token: usize,
    /// A read would not block. Never true for a socket without this interest.
    pub read: bool,
    /// A write would not block. Never true for a socket without this interest.
    pub write: bool,
}

/// Exercise 5.2: waits for many sockets at once, level-triggered.
pub trait Poller {
    /// Registers `socket` under a token that the caller chooses. The socket stays open at least as long as it is
    /// registered.
    ///
    /// `AlreadyExists`: another socket is registered under this token.
    fn register(&mut self, token: usize, socket: Arc<OwnedFd>, interest: Interest) -> io::Result<()>;

    /// Changes the interest of a socket. `NotFound`: no socket is registered under this token.
    fn reregister(&mut self, token: usize, interest: Interest) -> io::Result<()>;

    /// Deregisters a socket, and drops it. `NotFound`: no socket is registered under this token.
    fn deregister(&mut self, token: usize) -> io::Result<()>;

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
pub enum Priority {
    /// A health check or an operator's request: rare, and useless when late.
    Urgent,
    /// A client's connection.
    Normal,
}

/// Exercise 5.4: of this many pops in a row, at least one returns a normal id, as long as one waits.
pub const NORMAL_INTERVAL: usize = 8;

/// Exercise 5.4: the order in which ready tasks run.
pub trait ReadyQueue {
    /// `id` is ready. If it is in the queue already, it stays where it is, unless it was normal and is urgent now.
    fn push(&mut self, id: u32, priority: Priority);

    /// Removes and returns the next id.
    fn pop(&mut self) -> Option<u32>;

    /// Removes `id` from the queue.
    fn remove(&mut self, id: u32);

    /// How many ids are in the queue.
    fn len(&self) -> usize;

    /// Whether the queue is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Exercise 5.5: wakes an event loop that blocks in `poll(2)` or `epoll`, through a descriptor that becomes readable
/// (`mio::Waker`, a self-pipe).
pub trait LoopWaker: Send + Sync + 'static {
    /// Makes the descriptor readable, if it is not. Any thread may call it, and it never blocks.
    fn wake(&self);

    /// Makes the descriptor not readable, however often `wake` was called. Only the loop's own thread calls it, and it
    /// never blocks.
    fn clear(&self);
}

/// Exercise 5.5: a queue of messages from other threads to an event loop.
pub trait MessageQueue<T>: Send + Sync + 'static {
    /// Adds a message. If the queue is closed, the message is returned.
    fn push(&self, message: T) -> Result<(), T>;

    /// Returns all messages since the last call. The loop calls it after its waker has woken it.
    fn take_all(&self) -> Vec<T>;

    /// Closes the queue, and returns the messages that are left.
    fn close(&self) -> Vec<T>;
}

/// Exercise 5.5: your two types, for the checks to create.
pub trait Implementation: Copy + Send + Sync + 'static {
    /// A waker, with the descriptor to poll.
    fn waker(self) -> io::Result<impl LoopWaker + AsFd>;

    /// A queue whose loop is woken by `waker`.
    fn queue<T: Send + 'static>(self, waker: Arc<dyn LoopWaker>) -> impl MessageQueue<T>;
}
