//! A non-blocking TCP stream that caches the readiness last reported by `poll(2)`.
//!
//! The cache saves system calls: after a read that did not fill the buffer, another read would only return EAGAIN.
//! [`poll_sockets`](crate::poll::poll_sockets) updates the cache after each wait.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::{Shutdown, TcpStream},
};

use common::http::Wire;

/// The proxy's end of a connection to a client or a backend.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "poll's own flags, each by its name")]
pub struct Socket {
    stream: TcpStream,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// Both directions are closed.
    pub(crate) hung_up: bool,
    /// The connection has failed: `poll` reported an error.
    pub(crate) failed: bool,
}

impl Socket {
    /// Wraps an accepted stream. It starts readable, because the client has probably sent its request already.
    pub fn from_accepted(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, readable: true, writable: true, hung_up: false, failed: false })
    }

    /// Wraps a connected, non-blocking stream. It starts not readable: a backend sends nothing before the request.
    pub fn from_connected(stream: TcpStream) -> Self {
        Self { stream, readable: false, writable: true, hung_up: false, failed: false }
    }

    /// The stream, for its addresses and options.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

impl Wire for Socket {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.readable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let received = (&self.stream).read(into);
        self.readable = match &received {
            Ok(n) => *n == into.len() || *n == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        received
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.writable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let sent = (&self.stream).write_vectored(from);
        self.writable = !matches!(&sent, Err(error) if error.kind() == ErrorKind::WouldBlock);
        sent
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}
