//! A task's socket as a `Wire`: `Pending` becomes `WouldBlock`, and the task is woken when the socket is ready.
//!
//! `pump` calls `recv` until it would block. Each of these calls is a poll: it tries, and if the socket is not ready,
//! it registers the task's waker. So when `pump` returns what it waits for, the waker is registered already.

use std::{
    io::{self, ErrorKind, IoSlice},
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll},
};

use common::http::Wire;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A socket, for the duration of one poll.
#[derive(Debug)]
pub(crate) struct PolledStream<'a, 'w> {
    stream: &'a mut TcpStream,
    context: Context<'w>,
}

impl<'a, 'w> PolledStream<'a, 'w> {
    /// `stream`, for the task of `context`.
    pub(crate) fn new(stream: &'a mut TcpStream, context: &Context<'w>) -> Self {
        Self { stream, context: Context::from_waker(context.waker()) }
    }
}

// ANCHOR: wire
impl Wire for PolledStream<'_, '_> {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(into);
        let polled = Pin::new(&mut *self.stream).poll_read(&mut self.context, &mut buffer);
        pending_to_would_block(polled).map(|()| buffer.filled().len())
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let stream = Pin::new(&mut *self.stream);
        pending_to_would_block(match from {
            // `send` costs the kernel less than `writev` does.
            [all] => stream.poll_write(&mut self.context, all),
            parts => stream.poll_write_vectored(&mut self.context, parts),
        })
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        SockRef::from(&*self.stream).shutdown(Shutdown::Write)
    }
}

fn pending_to_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}
// ANCHOR_END: wire

/// The same for a socket that another future waits for too: by shared reference, at one more system call per message.
#[derive(Debug)]
pub(crate) struct SharedPolledStream<'a, 'w> {
    stream: &'a TcpStream,
    context: Context<'w>,
}

impl<'a, 'w> SharedPolledStream<'a, 'w> {
    /// `stream`, for the task of `context`.
    pub(crate) fn new(stream: &'a TcpStream, context: &Context<'w>) -> Self {
        Self { stream, context: Context::from_waker(context.waker()) }
    }
}

impl Wire for SharedPolledStream<'_, '_> {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            pending_to_would_block(self.stream.poll_read_ready(&mut self.context))?;
            match self.stream.try_read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {} // stale readiness, now cleared
                outcome => return outcome,
            }
        }
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            pending_to_would_block(self.stream.poll_write_ready(&mut self.context))?;
            match self.stream.try_write_vectored(from) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        SockRef::from(self.stream).shutdown(Shutdown::Write)
    }
}
