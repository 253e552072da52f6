//! What the types that you write have to do. The checks know your types by these traits only.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Exercise 5.1: what happened to a socket, one thing after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// An event, edge-triggered: it tells what there is when it is given, and comes only after something has been added.
    Event(Told),
    /// A read into a buffer with room for so many bytes, and never for none.
    Read {
        /// The buffer's length.
        room: usize,
        /// What it found.
        found: Found,
    },
}

/// Exercise 5.1: what an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// There is something to read, be it an end.
    pub readable: bool,
    /// The peer will send no more: its FIN has come, perhaps behind bytes.
    pub read_closed: bool,
    /// The connection is broken. Bytes that came before may still be there.
    pub error: bool,
}

/// Exercise 5.1: what a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The end: the FIN.
    End,
    /// Nothing yet (`EAGAIN`).
    Nothing,
    /// A signal came in between (`EINTR`).
    Interrupted,
    /// That the connection is broken.
    Broken,
}

/// Exercise 5.2: what a socket is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    /// That it can be read.
    pub read: bool,
    /// That it can be written to.
    pub write: bool,
}

/// Exercise 5.2: a socket that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The number under which it is watched.
    pub token: usize,
    /// A read would not wait. Never true for one that is not watched for it.
    pub read: bool,
    /// A write would not wait. Never true for one that is not watched for it.
    pub write: bool,
}

/// Exercise 5.2: one place to wait for many sockets, level-triggered.
pub trait Poller {
    /// Begins to watch `socket` under a number of the caller's. The socket stays open at least as long as it is watched.
    ///
    /// `AlreadyExists`: another one is watched under this number.
    fn watch(&mut self, token: usize, socket: Arc<OwnedFd>, interest: Interest) -> io::Result<()>;

    /// Watches it for something else from now on. `NotFound`: there is none with this number.
    fn change(&mut self, token: usize, interest: Interest) -> io::Result<()>;

    /// Watches it no more, and lets go of it. `NotFound`: there is none with this number.
    fn forget(&mut self, token: usize) -> io::Result<()>;

    /// Sleeps until something is ready, or until `timeout` is over (`None`: never). What is ready is in `ready` then,
    /// and nothing else.
    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()>;
}

/// Exercise 5.3: deadlines, each known by a number of the caller's.
pub trait Timers {
    /// Arms the timer `id` for `at`, or moves it there.
    fn arm(&mut self, id: u32, at: Instant);

    /// Takes it back, if it is armed.
    fn disarm(&mut self, id: u32);

    /// When the first of those that are armed is due: until then a loop may sleep.
    fn next(&mut self) -> Option<Instant>;

    /// Gives one that is due at `now`, and disarms it; to be called until there is none.
    fn expire(&mut self, now: Instant) -> Option<u32>;

    /// How many entries are kept, those included that no longer count.
    fn entries(&self) -> usize;
}

/// Exercise 5.4: how much of a hurry somebody is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A health check, an operator: few, and late they are worthless.
    Urgent,
    /// A client.
    Normal,
}

/// Exercise 5.4: of so many turns in a row, one belongs to the clients, as long as any waits.
pub const SHARE: usize = 8;

/// Exercise 5.4: whose turn it is, among all that could go on.
pub trait ReadyQueue {
    /// `id` could go on. One that is in the queue already stays where it is, unless it was normal and is urgent now.
    fn push(&mut self, id: u32, class: Class);

    /// Who is next; it is no longer in the queue.
    fn pop(&mut self) -> Option<u32>;

    /// `id` is gone, and has no turn any more.
    fn forget(&mut self, id: u32);

    /// How many have a turn to come.
    fn len(&self) -> usize;

    /// Whether nobody has.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Exercise 5.5: what wakes a loop that sleeps in `poll(2)` or `epoll`, whose descriptor becomes readable by it.
pub trait Bell: Send + Sync + 'static {
    /// Makes the descriptor readable, if it is not. Any thread may, and it never waits.
    fn ring(&self);

    /// Makes it unreadable, however often it has been rung. The loop's own thread does, and it never waits.
    fn silence(&self);
}

/// Exercise 5.5: what other threads leave for a loop.
pub trait Mailbox<T>: Send + Sync + 'static {
    /// Leaves a letter. If nobody will collect it any more, it comes back.
    fn post(&self, letter: T) -> Result<(), T>;

    /// Gives all letters that were left since it was called last. The loop calls it after its bell has rung.
    fn collect(&self) -> Vec<T>;

    /// Takes no more letters from now on, and gives those that are left.
    fn close(&self) -> Vec<T>;
}

/// Exercise 5.5: makes the two.
pub trait Office: Copy + Send + Sync + 'static {
    /// A bell and the descriptor to sleep on.
    fn bell(self) -> io::Result<impl Bell + AsFd>;

    /// A mailbox whose loop is woken by `bell`.
    fn mailbox<T: Send + 'static>(self, bell: Arc<dyn Bell>) -> impl Mailbox<T>;
}
