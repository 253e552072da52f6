//! Exercise 5.5, solved.
//!
//! Two orderings make it correct. A sender adds the message *before* it calls `wake`; otherwise the loop finds the
//! queue empty and blocks again. The loop clears the waker *before* it takes the messages; otherwise the wake-up for a
//! message that is pushed in between is lost. With either one reversed, the failure is rare: a test may pass for weeks.
//!
//! A sender calls `wake` only if the queue was empty: otherwise another sender has called it, or is about to. It calls
//! `wake` after it has released the lock: otherwise the loop that it wakes would block on the lock. A full pipe is
//! readable already, so that write can be skipped; `clear` reads until the pipe is empty. (Linux has `eventfd`, a
//! counter instead of a pipe, which `mio`'s waker uses.)

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::contracts::{Implementation, LoopWaker, MessageQueue};

/// A self-pipe as the waker, and a queue behind a lock.
#[derive(Debug, Clone, Copy)]
pub struct PipeAndQueue;

/// The two types for the checks.
pub fn implementation() -> PipeAndQueue {
    PipeAndQueue
}

impl Implementation for PipeAndQueue {
    fn waker(self) -> io::Result<impl LoopWaker + AsFd> {
        let (read_end, write_end) = UnixStream::pair()?;
        read_end.set_nonblocking(true)?;
        write_end.set_nonblocking(true)?;
        Ok(WakePipe { read_end, write_end })
    }

    fn queue<T: Send + 'static>(self, waker: Arc<dyn LoopWaker>) -> impl MessageQueue<T> {
        Queue { waker, pending: Mutex::new(Pending { messages: Vec::new(), is_closed: false }) }
    }
}

/// Two connected non-blocking sockets: a byte written to one makes the other readable.
#[derive(Debug)]
struct WakePipe {
    read_end: UnixStream,
    write_end: UnixStream,
}

impl AsFd for WakePipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read_end.as_fd()
    }
}

impl LoopWaker for WakePipe {
    fn wake(&self) {
        // Would block: the pipe is full, so it is readable already. No other error is possible: both ends are ours.
        while (&self.write_end).write(&[1]).is_err_and(|error| error.kind() == ErrorKind::Interrupted) {}
    }

    fn clear(&self) {
        let mut wakes = [0; 256];
        loop {
            match (&self.read_end).read(&mut wakes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(1..) => {}
                _ => return,
            }
        }
    }
}

/// A message queue, and the waker of its loop.
struct Queue<T> {
    waker: Arc<dyn LoopWaker>,
    pending: Mutex<Pending<T>>,
}

struct Pending<T> {
    messages: Vec<T>,
    is_closed: bool,
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, Pending<T>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> MessageQueue<T> for Queue<T> {
    fn push(&self, message: T) -> Result<(), T> {
        let mut pending = self.lock();
        if pending.is_closed {
            return Err(message);
        }
        let is_first = pending.messages.is_empty();
        pending.messages.push(message);
        drop(pending);
        if is_first {
            self.waker.wake();
        }
        Ok(())
    }

    fn take_all(&self) -> Vec<T> {
        self.waker.clear();
        mem::take(&mut self.lock().messages)
    }

    fn close(&self) -> Vec<T> {
        let mut pending = self.lock();
        pending.is_closed = true;
        mem::take(&mut pending.messages)
    }
}
