//! Commands from other threads to a worker: connections handed off to it, and wake-ups for connections that wait.
//!
//! The loop blocks in the poller, where no lock or channel can wake it. So a command comes with an event: `mio`'s
//! waker, an `eventfd` on Linux. Commands are rare: a request that does not have to wait causes none.

use std::{
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Wake, Waker},
};

use common::net::AcceptedConnection;
use mio::{Registry, net::TcpStream};

use super::{slab::Key, token::EventSource};

/// A command to a worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve a connection that another worker has accepted: this one has fewer.
    ServeConnection(AcceptedConnection<TcpStream>),
    /// Drive this connection: what it waits for may have happened.
    WakeConnection(Key),
    /// Accept again: the number of connections is below the limit.
    RetryAccept,
    /// Close idle connections to backends: descriptors have run out.
    EnterFdPressure,
}

/// The commands that wait for a worker.
#[derive(Debug)]
pub(crate) struct WorkerQueue {
    waits_for_capacity: AtomicBool,
    waker: mio::Waker,
    pending: Mutex<PendingCommands>,
}

#[derive(Debug, Default)]
struct PendingCommands {
    commands: Vec<Command>,
    closed: bool,
}

impl WorkerQueue {
    /// The queue of the worker whose poller `registry` belongs to.
    pub(crate) fn new(registry: &Registry) -> io::Result<Self> {
        let waker = mio::Waker::new(registry, EventSource::Commands.token())?;
        Ok(Self { waits_for_capacity: AtomicBool::new(false), waker, pending: Mutex::default() })
    }

    /// Adds a command, and wakes the worker if it is the first.
    ///
    /// # Errors
    /// The command, if the queue is closed.
    pub(crate) fn push(&self, command: Command) -> Result<(), Command> {
        let mut pending = self.lock();
        if pending.closed {
            return Err(command);
        }
        let is_first = pending.commands.is_empty();
        pending.commands.push(command);
        drop(pending);
        if is_first && let Err(error) = self.waker.wake() {
            tracing::error!("cannot wake worker thread: {error}");
        }
        Ok(())
    }

    /// Takes all commands.
    pub(crate) fn take_all(&self) -> Vec<Command> {
        mem::take(&mut self.lock().commands)
    }

    /// Closes the queue if it is empty. Returns whether it is closed.
    pub(crate) fn close_if_empty(&self) -> bool {
        let mut pending = self.lock();
        pending.closed |= pending.commands.is_empty();
        pending.closed
    }

    /// Notes that the worker has stopped accepting at the limit, and waits for [`Command::RetryAccept`]. The worker has
    /// to check the limit once more after this call: a connection may have closed in between.
    pub(crate) fn set_waits_for_capacity(&self) {
        self.waits_for_capacity.store(true, SeqCst);
    }

    /// Whether the worker waits to accept; resets it.
    pub(crate) fn take_waits_for_capacity(&self) -> bool {
        self.waits_for_capacity.swap(false, SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, PendingCommands> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A waker that makes the worker of this queue drive the connection `key`.
pub(crate) fn connection_waker(queue: &Arc<WorkerQueue>, key: Key) -> Waker {
    Waker::from(Arc::new(ConnectionWaker { queue: Arc::clone(queue), key }))
}

#[derive(Debug)]
struct ConnectionWaker {
    queue: Arc<WorkerQueue>,
    key: Key,
}

impl Wake for ConnectionWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Fails only for a worker that has ended, which has no connections.
        let _ = self.queue.push(Command::WakeConnection(self.key));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    const KEY: Key = Key { index: 1, generation: 2 };

    /// Whether the waker's event arrives within this time.
    fn is_woken(poll: &mut Poll, within: Duration) -> bool {
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(within)).unwrap();
        events.iter().any(|event| EventSource::from_token(event.token()) == EventSource::Commands)
    }

    #[test]
    fn first_command_wakes_the_worker_and_all_are_taken() {
        let mut poll = Poll::new().unwrap();
        let queue = Arc::new(WorkerQueue::new(poll.registry()).unwrap());
        let waker = connection_waker(&queue, KEY);
        waker.wake_by_ref();
        waker.wake();
        assert!(is_woken(&mut poll, Duration::from_secs(10)));
        let commands = queue.take_all();
        assert!(matches!(commands[..], [Command::WakeConnection(KEY), Command::WakeConnection(KEY)]), "{commands:?}");
        assert!(!is_woken(&mut poll, Duration::from_millis(10)), "no command since");
        queue.push(Command::RetryAccept).unwrap();
        assert!(is_woken(&mut poll, Duration::from_secs(10)), "an emptied queue wakes again");
    }

    #[test]
    fn a_closed_queue_returns_the_command_and_a_non_empty_one_stays_open() {
        let poll = Poll::new().unwrap();
        let queue = WorkerQueue::new(poll.registry()).unwrap();
        queue.push(Command::RetryAccept).unwrap();
        assert!(!queue.close_if_empty(), "a command is pending");
        queue.take_all();
        assert!(queue.close_if_empty());
        assert!(matches!(queue.push(Command::WakeConnection(KEY)), Err(Command::WakeConnection(KEY))));
    }
}
