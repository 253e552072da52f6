//! What other threads leave for a loop: clients of theirs, and word that a wait is over.
//!
//! The loop sleeps in the kernel, deaf to a lock or a channel. So a letter comes with an event: `mio`'s waker, an
//! `eventfd` on Linux. Letters are rare: none on the way of a request that need not wait.

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

/// A letter.
#[derive(Debug)]
pub(crate) enum Command {
    /// A client that another loop has accepted, and that is better off here.
    ServeConnection(AcceptedConnection<TcpStream>),
    /// What this connection waits for may have come.
    WakeConnection(Key),
    /// There is room for clients again.
    RetryAccept,
    /// Descriptors have run out: what is kept open for later is to be closed.
    EnterFdPressure,
}

/// A loop's mailbox.
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
    /// The mailbox of the loop that waits for events of `registry`.
    pub(crate) fn new(registry: &Registry) -> io::Result<Self> {
        let waker = mio::Waker::new(registry, EventSource::Commands.token())?;
        Ok(Self { waits_for_capacity: AtomicBool::new(false), waker, pending: Mutex::default() })
    }

    /// Leaves a letter.
    ///
    /// # Errors
    /// The letter, if nobody will read it any more.
    pub(crate) fn push(&self, letter: Command) -> Result<(), Command> {
        let mut letters = self.lock();
        if letters.closed {
            return Err(letter);
        }
        let is_first = letters.commands.is_empty();
        letters.commands.push(letter);
        drop(letters);
        if is_first && let Err(error) = self.waker.wake() {
            tracing::error!("cannot wake worker thread: {error}");
        }
        Ok(())
    }

    /// Takes all letters.
    pub(crate) fn take_all(&self) -> Vec<Command> {
        mem::take(&mut self.lock().commands)
    }

    /// Takes no more letters, if there is none now.
    pub(crate) fn close_if_empty(&self) -> bool {
        let mut letters = self.lock();
        letters.closed |= letters.commands.is_empty();
        letters.closed
    }

    /// The loop cannot let in a client that waits, and wants to hear of room. It is to look once more after this.
    pub(crate) fn set_waits_for_capacity(&self) {
        self.waits_for_capacity.store(true, SeqCst);
    }

    /// Whether it did; it is told now.
    pub(crate) fn take_waits_for_capacity(&self) -> bool {
        self.waits_for_capacity.swap(false, SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, PendingCommands> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What wakes the connection `key` of the loop with this mailbox.
pub(crate) fn connection_waker(mailbox: &Arc<WorkerQueue>, key: Key) -> Waker {
    Waker::from(Arc::new(ConnectionWaker { queue: Arc::clone(mailbox), key }))
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
        // A loop that has ended has no connection that waits.
        let _ = self.queue.push(Command::WakeConnection(self.key));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    const KEY: Key = Key { index: 1, generation: 2 };

    /// Whether a letter's event arrives within the time.
    fn is_woken(poll: &mut Poll, within: Duration) -> bool {
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(within)).unwrap();
        events.iter().any(|event| EventSource::from_token(event.token()) == EventSource::Commands)
    }

    #[test]
    fn first_command_wakes_the_worker_and_all_are_taken() {
        let mut poll = Poll::new().unwrap();
        let mailbox = Arc::new(WorkerQueue::new(poll.registry()).unwrap());
        let waker = connection_waker(&mailbox, KEY);
        waker.wake_by_ref();
        waker.wake();
        assert!(is_woken(&mut poll, Duration::from_secs(10)));
        let letters = mailbox.take_all();
        assert!(matches!(letters[..], [Command::WakeConnection(KEY), Command::WakeConnection(KEY)]), "{letters:?}");
        assert!(!is_woken(&mut poll, Duration::from_millis(10)), "nothing has come since");
        mailbox.push(Command::RetryAccept).unwrap();
        assert!(is_woken(&mut poll, Duration::from_secs(10)), "an emptied mailbox wakes again");
    }

    #[test]
    fn a_closed_queue_returns_the_command_and_a_non_empty_one_stays_open() {
        let poll = Poll::new().unwrap();
        let mailbox = WorkerQueue::new(poll.registry()).unwrap();
        mailbox.push(Command::RetryAccept).unwrap();
        assert!(!mailbox.close_if_empty(), "somebody still has to read it");
        mailbox.take_all();
        assert!(mailbox.close_if_empty());
        assert!(matches!(mailbox.push(Command::WakeConnection(KEY)), Err(Command::WakeConnection(KEY))));
    }
}
