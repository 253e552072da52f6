//! A socket in an edge-triggered event loop, with the readiness that its events reported.
//!
//! The tools that must cost almost nothing (`floor`, `origin`) are `epoll` loops. A socket is registered once for both
//! directions, and each event is delivered once per change. So readiness has to be remembered until a call reports
//! `WouldBlock`. A `recv` that fills less than its buffer reports the same, and saves the second `recv` that would
//! fail: one call per message is what makes these tools a floor.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// A registered stream. Dropped: closed, which also deregisters it.
#[derive(Debug)]
pub struct EdgeTriggeredStream {
    stream: TcpStream,
    readable: bool,
    writable: bool,
    /// The peer has closed, and no further event will report it: read until the end.
    hung_up: bool,
}

impl EdgeTriggeredStream {
    /// Registers `stream` under `token`. It may still be connecting: the first event reports that the connect has
    /// ended.
    pub fn register(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, readable: false, writable: false, hung_up: false })
    }

    /// Records an event of this stream.
    pub fn on_event(&mut self, event: &Event) {
        self.hung_up |= event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || self.hung_up;
        self.writable |= event.is_writable() || event.is_write_closed();
    }

    /// Reads once. `None`: no data before the next event. `Some(0)`: the peer has closed its side.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.readable {
            return Ok(None);
        }
        let read = retry_on_interrupt(|| self.stream.read(into))?;
        self.readable = read.is_some_and(|read| read == into.len() || self.hung_up);
        Ok(read)
    }

    /// Writes once. `None`, or less than all of `from`: not writable before the next event.
    pub fn write(&mut self, from: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        if !self.writable {
            return Ok(None);
        }
        // With one slice, `send` is the cheaper call.
        let written = match from {
            [one] => retry_on_interrupt(|| self.stream.write(one))?,
            several => retry_on_interrupt(|| self.stream.write_vectored(several))?,
        };
        let wanted: usize = from.iter().map(|slice| slice.len()).sum();
        self.writable = written == Some(wanted);
        Ok(written)
    }

    /// Shuts down our side; bytes written before still arrive.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// The socket itself, for its options.
    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }
}

/// Repeats an interrupted call; `None` is `WouldBlock`.
fn retry_on_interrupt(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Accepts until no connection is pending, as an edge-triggered listener has to.
///
/// A client that left before it was accepted is skipped. Any other error is returned: in a measurement, a listener
/// that is out of descriptors must not look like a slow one.
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
            Err(error) if is_aborted_connection(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_aborted_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
