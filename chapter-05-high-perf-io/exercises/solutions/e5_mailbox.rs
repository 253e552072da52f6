//! Exercise 5.5, solved.
//!
//! Two orders carry all of it. A sender puts the letter in *before* it rings, or the loop looks too early and sleeps
//! again. The loop silences the bell *before* it takes the letters, or the ring of a letter that comes in between is
//! wiped out with the old one. Each the other way round works for weeks.
//!
//! The bell is rung by whoever finds the box empty, for whoever finds it full knows that a ring is on its way. And it is rung
//! when the lock is free again: the loop that it wakes would run into it. A pipe holds some rings and then is full, which
//! is a ring that need not be made; to silence it is to read until nothing is left. (Linux has a thing for this that is
//! a number instead of a pipe, `eventfd`; `mio`'s waker uses it.)

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        Ok(Pipe { ours, theirs })
    }

    fn mailbox<T: Send + 'static>(self, bell: Arc<dyn Bell>) -> impl Mailbox<T> {
        Letters { bell, inside: Mutex::new(Inside { waiting: Vec::new(), is_closed: false }) }
    }
}

/// Two connected sockets that never wait: a byte that is written to one makes the other readable.
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
        // Full: it is readable as it is. Nothing else can happen, for we hold both ends.
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

/// Letters that wait, and whom to wake for them.
struct Letters<T> {
    bell: Arc<dyn Bell>,
    inside: Mutex<Inside<T>>,
}

struct Inside<T> {
    waiting: Vec<T>,
    is_closed: bool,
}

impl<T> Letters<T> {
    fn lock(&self) -> MutexGuard<'_, Inside<T>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Mailbox<T> for Letters<T> {
    fn post(&self, letter: T) -> Result<(), T> {
        let mut inside = self.lock();
        if inside.is_closed {
            return Err(letter);
        }
        let is_first = inside.waiting.is_empty();
        inside.waiting.push(letter);
        drop(inside);
        if is_first {
            self.bell.ring();
        }
        Ok(())
    }

    fn collect(&self) -> Vec<T> {
        self.bell.silence();
        mem::take(&mut self.lock().waiting)
    }

    fn close(&self) -> Vec<T> {
        let mut inside = self.lock();
        inside.is_closed = true;
        mem::take(&mut inside.waiting)
    }
}
