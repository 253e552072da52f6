//! Exercise 5.5: a hand-over between loops (project).
//!
//! **Contract.** [`office`] makes two things that know nothing of each other: a [`Bell`], which wakes a loop that sleeps in
//! the kernel, and a [`Mailbox`], in which other threads leave letters for it and ring the bell.
//!
//! - The descriptor of a bell is readable from the first `ring` to the next `silence`. Neither waits, after a million rings
//!   either. A ring while nobody sleeps is not lost: the next sleep does not begin.
//! - A letter that was taken is given out once, by `collect` or by `close`. Those of one thread keep their order. One that
//!   is not taken comes back to its sender. There is no third.
//! - A loop that calls `collect` whenever its bell has rung, and at no other time, gets every letter.
//! - However many letters are left between two `collect`s, the bell is rung once.
//! - No lock is held while the bell rings: whoever is woken by it may be at the mailbox before `post` returns.
//!
//! A bell that rings for nothing now and then is no fault. One that does not ring is.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use crate::contracts::{Bell, Mailbox, Office};

/// Makes bells and mailboxes.
#[derive(Debug, Clone, Copy)]
pub struct Post;

/// Makes bells and mailboxes.
pub fn office() -> Post {
    Post
}

impl Office for Post {
    fn bell(self) -> io::Result<impl Bell + AsFd> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok(Pipe { ours, theirs })
    }

    fn mailbox<T: Send + 'static>(self, bell: Arc<dyn Bell>) -> impl Mailbox<T> {
        Letters { bell, waiting: Mutex::new(Vec::new()) }
    }
}

/// Two connected sockets: a byte that is written to one makes the other readable.
#[derive(Debug)]
struct Pipe {
    ours: UnixStream,
    theirs: UnixStream,
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }
}

impl Bell for Pipe {
    fn ring(&self) {
        let _ = (&self.theirs).write(&[1]);
    }

    fn silence(&self) {
        let _ = (&self.ours).read(&mut [0]);
    }
}

/// Letters that wait.
struct Letters<T> {
    bell: Arc<dyn Bell>,
    waiting: Mutex<Vec<T>>,
}

impl<T: Send + 'static> Mailbox<T> for Letters<T> {
    fn post(&self, letter: T) -> Result<(), T> {
        self.bell.ring();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        Ok(())
    }

    fn collect(&self) -> Vec<T> {
        let letters = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.silence();
        letters
    }

    fn close(&self) -> Vec<T> {
        self.collect()
    }
}
