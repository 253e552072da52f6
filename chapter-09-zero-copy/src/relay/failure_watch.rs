//! Notices that a socket has failed while nobody reads from it or writes to it.
//!
//! A reset is found by the next `read`. But a destination that does not read stops the reads from the source, and after
//! a FIN there is nothing left to read: then a reset would be found only when the session is idle for too long.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{Interest, Ready},
    net::TcpStream,
};

/// Watches one socket. Without memory of its own until it is first polled: most sessions that are idle never need it.
pub(super) struct FailureWatch<'s> {
    stream: &'s TcpStream,
    ready: Option<Pin<Box<dyn Future<Output = io::Result<Ready>> + 's>>>,
}

impl fmt::Debug for FailureWatch<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FailureWatch").field("stream", self.stream).finish_non_exhaustive()
    }
}

impl<'s> FailureWatch<'s> {
    /// Of this socket.
    pub(super) fn new(stream: &'s TcpStream) -> Self {
        Self { stream, ready: None }
    }

    /// Ready with the error once the socket has failed. Not to be polled after that.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let stream = self.stream;
        let ready = self.ready.get_or_insert_with(|| Box::pin(stream.ready(Interest::ERROR)));
        ready!(ready.as_mut().poll(context)).err().map_or_else(|| Poll::Ready(pending_error(stream)), Poll::Ready)
    }
}

fn pending_error(stream: &TcpStream) -> io::Error {
    // Another call may have fetched it already.
    stream.take_error().ok().flatten().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())
}
