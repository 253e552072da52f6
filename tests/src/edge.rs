//! A socket in an edge-triggered event loop, which remembers what its events said.
//!
//! The tools that must cost next to nothing (`floor`, `origin`) are loops over `epoll`. A socket is registered once for
//! both directions, and an event says that something *has changed*, once. So whoever gets an event has to keep it until
//! a call reports that nothing is left. A `recv` that fills less than its buffer reports that too, and that saves the
//! second `recv` which would fail: one call per message is what makes these tools a floor.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// A registered stream. Dropped: closed, and so forgotten by the loop.
#[derive(Debug)]
pub struct EdgeStream {
    stream: TcpStream,
    readable: bool,
    writable: bool,
    /// The peer's end has been announced, and there will be no further event for it: read until it comes.
    hung_up: bool,
}

impl EdgeStream {
    /// Registers `stream` under `token`. It may still be connecting: the first event says when that has ended.
    pub fn register(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, readable: false, writable: false, hung_up: false })
    }

    /// Takes note of an event of this stream.
    pub fn note(&mut self, event: &Event) {
        self.hung_up |= event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || self.hung_up;
        self.writable |= event.is_writable() || event.is_write_closed();
    }

    /// Reads once. `None`: nothing more before the next event. `Some(0)`: the peer has ended its side.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.readable {
            return Ok(None);
        }
        let read = retried(|| self.stream.read(into))?;
        self.readable = read.is_some_and(|read| read == into.len() || self.hung_up);
        Ok(read)
    }

    /// Writes once. `None`, or less than all of `from`: no more before the next event.
    pub fn write(&mut self, from: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        if !self.writable {
            return Ok(None);
        }
        // With one slice, `send` is the cheaper call.
        let written = match from {
            [one] => retried(|| self.stream.write(one))?,
            several => retried(|| self.stream.write_vectored(several))?,
        };
        let wanted: usize = from.iter().map(|slice| slice.len()).sum();
        self.writable = written == Some(wanted);
        Ok(written)
    }

    /// Ends our side; what was written before still arrives.
    pub fn shut_write(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// The socket itself, for its options.
    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }
}

/// Calls until it was not interrupted; `None` is "would block".
fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Accepts until nobody waits any more, as an edge-triggered listener has to.
///
/// A client that left before it was accepted is nobody. Any other failure is returned: in a measurement, a listener
/// that is out of descriptors must not pass for a slow one.
pub fn accept_all(
    listener: &mio::net::TcpListener,
    mut serve: impl FnMut(TcpStream) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((client, _)) => {
                client.set_nodelay(true)?;
                serve(client)?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if is_the_clients(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
