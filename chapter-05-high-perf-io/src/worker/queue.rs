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

use super::{slab::Key, token::Source};

/// A letter.
#[derive(Debug)]
pub(crate) enum Letter {
    /// A client that another loop has accepted, and that is better off here.
    Client(AcceptedConnection<TcpStream>),
    /// What this connection waits for may have come.
    Awake(Key),
    /// There is room for clients again.
    Room,
    /// Descriptors have run out: what is kept open for later is to be closed.
    Shortage,
}

/// A loop's mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox {
    wants_room: AtomicBool,
    waker: mio::Waker,
    letters: Mutex<Letters>,
}

#[derive(Debug, Default)]
struct Letters {
    waiting: Vec<Letter>,
    closed: bool,
}

impl Mailbox {
    /// The mailbox of the loop that waits for events of `registry`.
    pub(crate) fn new(registry: &Registry) -> io::Result<Self> {
        let waker = mio::Waker::new(registry, Source::Mail.token())?;
        Ok(Self { wants_room: AtomicBool::new(false), waker, letters: Mutex::default() })
    }

    /// Leaves a letter.
    ///
    /// # Errors
    /// The letter, if nobody will read it any more.
    pub(crate) fn post(&self, letter: Letter) -> Result<(), Letter> {
        let mut letters = self.lock();
        if letters.closed {
            return Err(letter);
        }
        let is_first = letters.waiting.is_empty();
        letters.waiting.push(letter);
        drop(letters);
        if is_first && let Err(error) = self.waker.wake() {
            tracing::error!("cannot wake worker thread: {error}");
        }
        Ok(())
    }

    /// Takes all letters.
    pub(crate) fn take(&self) -> Vec<Letter> {
        mem::take(&mut self.lock().waiting)
    }

    /// Takes no more letters, if there is none now.
    pub(crate) fn close(&self) -> bool {
        let mut letters = self.lock();
        letters.closed |= letters.waiting.is_empty();
        letters.closed
    }

    /// The loop cannot let in a client that waits, and wants to hear of room. It is to look once more after this.
    pub(crate) fn want_room(&self) {
        self.wants_room.store(true, SeqCst);
    }

    /// Whether it did; it is told now.
    pub(crate) fn wanted_room(&self) -> bool {
        self.wants_room.swap(false, SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What wakes the connection `key` of the loop with this mailbox.
pub(crate) fn waker(mailbox: &Arc<Mailbox>, key: Key) -> Waker {
    Waker::from(Arc::new(Caller { mailbox: Arc::clone(mailbox), key }))
}

#[derive(Debug)]
struct Caller {
    mailbox: Arc<Mailbox>,
    key: Key,
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A loop that has ended has no connection that waits.
        let _ = self.mailbox.post(Letter::Awake(self.key));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    const KEY: Key = Key { place: 1, generation: 2 };

    /// Whether a letter's event arrives within the time.
    fn is_woken(poll: &mut Poll, within: Duration) -> bool {
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(within)).unwrap();
        events.iter().any(|event| Source::of(event.token()) == Source::Mail)
    }

    #[test]
    fn a_letter_wakes_the_loop_once_and_all_are_read() {
        let mut poll = Poll::new().unwrap();
        let mailbox = Arc::new(Mailbox::new(poll.registry()).unwrap());
        let waker = waker(&mailbox, KEY);
        waker.wake_by_ref();
        waker.wake();
        assert!(is_woken(&mut poll, Duration::from_secs(10)));
        let letters = mailbox.take();
        assert!(matches!(letters[..], [Letter::Awake(KEY), Letter::Awake(KEY)]), "{letters:?}");
        assert!(!is_woken(&mut poll, Duration::from_millis(10)), "nothing has come since");
        mailbox.post(Letter::Room).unwrap();
        assert!(is_woken(&mut poll, Duration::from_secs(10)), "an emptied mailbox wakes again");
    }

    #[test]
    fn a_closed_mailbox_gives_letters_back_and_a_full_one_does_not_close() {
        let poll = Poll::new().unwrap();
        let mailbox = Mailbox::new(poll.registry()).unwrap();
        mailbox.post(Letter::Room).unwrap();
        assert!(!mailbox.close(), "somebody still has to read it");
        mailbox.take();
        assert!(mailbox.close());
        assert!(matches!(mailbox.post(Letter::Awake(KEY)), Err(Letter::Awake(KEY))));
    }
}
