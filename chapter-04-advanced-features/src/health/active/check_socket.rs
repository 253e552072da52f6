//! The socket of a health check, and when the event loop is told of it.
//!
//! A socket is registered with the poller only before its first wait, and once: most TCP checks never wait, because the
//! handshake is over by the time that `connect` returns or soon after, and an HTTP check waits for its response alone.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd as _,
};

use common::net::{check_not_self_connect, connect_once_nonblocking};
use mio::{Interest, Registry, Token, unix::SourceFd};

use super::probe::ProbeSocket;

/// A non-blocking TCP connection to a backend.
#[derive(Debug)]
pub(crate) struct CheckSocket {
    stream: TcpStream,
    is_registered: bool,
    /// False until the poller reports it, because a backend sends nothing before the request.
    maybe_readable: bool,
}

impl CheckSocket {
    /// Starts to connect to `address`.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: connect_once_nonblocking(address)?, is_registered: false, maybe_readable: false })
    }

    /// Registers it if it is not: edge-triggered, so once is enough. Closing it deregisters it.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        if !self.is_registered {
            registry.register(&mut SourceFd(&self.stream.as_raw_fd()), token, interest)?;
            self.is_registered = true;
        }
        Ok(())
    }

    /// The poller has reported an event of this socket, or of one with the same token.
    pub(crate) fn on_event(&mut self) {
        self.maybe_readable = true;
    }
}

impl ProbeSocket for CheckSocket {
    fn finish_connect(&self, address: SocketAddr) -> io::Result<()> {
        if self.stream.peer_addr().is_ok() {
            return check_not_self_connect(self.stream.local_addr()?, address);
        }
        Err(self.stream.take_error()?.unwrap_or_else(|| ErrorKind::WouldBlock.into()))
    }

    fn send(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.write(from)
    }

    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.maybe_readable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let received = self.stream.read(into);
        self.maybe_readable = !matches!(&received, Err(error) if error.kind() == ErrorKind::WouldBlock);
        received
    }
}
