//! Exercise 5.5: a message queue between event loops (project).
//!
//! **Contract.** [`implementation`] creates two independent parts: a [`LoopWaker`], which wakes a loop that blocks in
//! the kernel, and a [`MessageQueue`], into which other threads push messages for the loop.
//!
//! - The descriptor of a waker is readable from the first `wake` to the next `clear`. Neither blocks, not even after a
//!   million calls of `wake`. A wake-up while the loop runs is not lost: the next poll returns at once.
//! - An accepted message is returned once, by `take_all` or by `close`. Messages of one thread keep their order. A
//!   message that is not accepted is returned to its sender. No message is dropped.
//! - A loop that calls `take_all` when its descriptor is readable, and at no other time, gets every message.
//! - However many messages are pushed between two calls of `take_all`, `wake` is called once.
//! - No lock is held during `wake`: the loop may use the queue before `push` returns.
//!
//! An occasional spurious wake-up is allowed. A missing one is not.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

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
        Ok(WakePipe { read_end, write_end })
    }

    fn queue<T: Send + 'static>(self, waker: Arc<dyn LoopWaker>) -> impl MessageQueue<T> {
        Queue { waker, pending: Mutex::new(Vec::new()) }
    }
}

/// Two connected sockets: a byte written to one makes the other readable.
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
        let _ = (&self.write_end).write(&[1]);
    }

    fn clear(&self) {
        let _ = (&self.read_end).read(&mut [0]);
    }
}

/// A message queue, and the waker of its loop.
struct Queue<T> {
    waker: Arc<dyn LoopWaker>,
    pending: Mutex<Vec<T>>,
}

impl<T: Send + 'static> MessageQueue<T> for Queue<T> {
    fn push(&self, message: T) -> Result<(), T> {
        self.waker.wake();
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        Ok(())
    }

    fn take_all(&self) -> Vec<T> {
        let messages = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        self.waker.clear();
        messages
    }

    fn close(&self) -> Vec<T> {
        self.take_all()
    }
}
