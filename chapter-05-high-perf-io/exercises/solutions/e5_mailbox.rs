//! Exercise 5.5, solved.
//!
//! Two orderings make it correct. A sender adds the message *before* it rings; otherwise the loop looks too early and
//! blocks again. The loop silences the bell *before* it takes the messages; otherwise the ring of a message that is
//! posted in between is lost with the old one. Either one reversed works for weeks.
//!
//! A sender rings only if the mailbox was empty: otherwise another sender has rung, or is about to. It rings after it
//! has released the lock: otherwise the loop that it wakes would block on the lock. A full pipe is readable already, so
//! that ring can be skipped; silencing reads until the pipe is empty. (Linux has `eventfd`, a counter instead of a
//! pipe, which `mio`'s waker uses.)

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        Ok(Pipe { ours, theirs })
    }

    fn mailbox<T: Send + 'static>(self, bell: Arc<dyn Bell>) -> impl Mailbox<T> {
        Messages { bell, pending: Mutex::new(Pending { messages: Vec::new(), is_closed: false }) }
    }
}

/// Two connected non-blocking sockets: a byte written to one makes the other readable.
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
        // Would block: the pipe is full, so it is readable already. No other error is possible: both ends are ours.
        while (&self.theirs).write(&[1]).is_err_and(|error| error.kind() == ErrorKind::Interrupted) {}
    }

    fn silence(&self) {
        let mut rings = [0; 256];
        loop {
            match (&self.ours).read(&mut rings) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(1..) => {}
                _ => return,
            }
        }
    }
}

/// A mailbox, and the bell of its loop.
struct Messages<T> {
    bell: Arc<dyn Bell>,
    pending: Mutex<Pending<T>>,
}

struct Pending<T> {
    messages: Vec<T>,
    is_closed: bool,
}

impl<T> Messages<T> {
    fn lock(&self) -> MutexGuard<'_, Pending<T>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Mailbox<T> for Messages<T> {
    fn post(&self, message: T) -> Result<(), T> {
        let mut pending = self.lock();
        if pending.is_closed {
            return Err(message);
        }
        let is_first = pending.messages.is_empty();
        pending.messages.push(message);
        drop(pending);
        if is_first {
            self.bell.ring();
        }
        Ok(())
    }

    fn collect(&self) -> Vec<T> {
        self.bell.silence();
        mem::take(&mut self.lock().messages)
    }

    fn close(&self) -> Vec<T> {
        let mut pending = self.lock();
        pending.is_closed = true;
        mem::take(&mut pending.messages)
    }
}
