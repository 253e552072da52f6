//! Exercise 5.5: messages between event loops (project).
//!
//! **Contract.** [`office`] creates two independent parts: a [`Bell`], which wakes a loop that blocks in the kernel,
//! and a [`Mailbox`], to which other threads post messages for the loop.
//!
//! - The descriptor of a bell is readable from the first `ring` to the next `silence`. Neither blocks, not even after a
//!   million rings. A ring while the loop runs is not lost: the next poll returns at once.
//! - An accepted message is returned once, by `collect` or by `close`. Messages of one thread keep their order. A
//!   message that is not accepted is returned to its sender. There is no third case.
//! - A loop that calls `collect` when its bell has rung, and at no other time, gets every message.
//! - However many messages are posted between two `collect`s, the bell is rung once.
//! - No lock is held while the bell rings: the loop that it wakes may use the mailbox before `post` returns.
//!
//! A spurious ring now and then is allowed. A missing one is not.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use crate::contracts::{Bell, Mailbox, Office};

/// Creates bells and mailboxes.
#[derive(Debug, Clone, Copy)]
pub struct Post;

/// Creates bells and mailboxes.
pub fn office() -> Post {
    Post
}

impl Office for Post {
    fn bell(self) -> io::Result<impl Bell + AsFd> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok(Pipe { ours, theirs })
    }

    fn mailbox<T: Send + 'static>(self, bell: Arc<dyn Bell>) -> impl Mailbox<T> {
        Messages { bell, pending: Mutex::new(Vec::new()) }
    }
}

/// Two connected sockets: a byte written to one makes the other readable.
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

/// A mailbox, and the bell of its loop.
struct Messages<T> {
    bell: Arc<dyn Bell>,
    pending: Mutex<Vec<T>>,
}

impl<T: Send + 'static> Mailbox<T> for Messages<T> {
    fn post(&self, message: T) -> Result<(), T> {
        self.bell.ring();
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        Ok(())
    }

    fn collect(&self) -> Vec<T> {
        let messages = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.silence();
        messages
    }

    fn close(&self) -> Vec<T> {
        self.collect()
    }
}
