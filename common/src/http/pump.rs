//! Bytes between two sockets that never wait, and the machine in between.

use std::io::{self, ErrorKind, IoSlice};

use super::{
    error::{ProxyError, Side},
    relay::{Input, Relay},
    wants::Wants,
};

/// A good size for the read buffer that an engine shares between its exchanges.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Rounds after which a pump lets others have their turn, while both sockets still have work for it.
const MAX_ITERATIONS: usize = 16;

/// A socket that never waits: `WouldBlock` means that the engine waits, and calls [`pump`] again once
/// the socket is ready for what [`Wants`] names. A wire that knows without a system call that nothing has
/// come may say `WouldBlock` at once; it must find out again before the engine next waits. With
/// edge-triggered readiness that is a trap: data and FIN can come in one event, and after a short read no
/// other follows. Such a wire stays readable while its last event said that the peer has closed.
pub trait Wire {
    /// Reads what is there; 0 is the end of the stream.
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize>;
    /// Writes what fits.
    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Ends the stream towards the peer (FIN).
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// The wire of a side that is not there: for an answer that no backend is asked for.
#[derive(Debug, Clone, Copy)]
pub struct NoWire;

impl Wire for NoWire {
    fn recv(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::NotConnected.into())
    }

    fn send(&mut self, _from: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(ErrorKind::NotConnected.into())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a pump ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pumped {
    /// Nothing can move: wait for this.
    Wait(Wants),
    /// More could move, but others should have their turn first. A thread of its own calls again at once.
    Yield,
    /// The exchange is over: [`Relay::end`].
    Done,
}

/// Moves all that can move without waiting. `scratch` is the engine's read buffer, shared by all its
/// exchanges; nothing stays in it. [`READ_BUFFER_BYTES`] is a good size.
///
/// # Errors
/// The exchange failed: ask [`Relay::may_retry`], or tell [`Relay::fail`] and pump the answer out.
pub fn pump<C: Wire, B: Wire>(
    relay: &mut Relay,
    client: &mut C,
    backend: &mut B,
    scratch: &mut [u8],
) -> Result<Pumped, ProxyError> {
    for _ in 0..MAX_ITERATIONS {
        let mut progressed = flush(relay, Side::Backend, backend)?;
        progressed |= flush(relay, Side::Client, client)?;
        while let Some(side) = relay.take_half_close() {
            // The peer may be gone already; then its read says so.
            drop(if side == Side::Client { client.shutdown_write() } else { backend.shutdown_write() });
        }
        if relay.is_done() {
            return Ok(Pumped::Done);
        }
        if relay.may_read(Side::Backend) {
            progressed |= receive(relay, Side::Backend, backend, scratch)?;
        }
        if relay.may_read(Side::Client) {
            progressed |= receive(relay, Side::Client, client, scratch)?;
        }
        if !progressed && !relay.is_done() {
            return Ok(Pumped::Wait(relay.wants()));
        }
    }
    Ok(Pumped::Yield)
}

/// Sends what a side is owed. Whether anything moved.
fn flush(relay: &mut Relay, to: Side, wire: &mut impl Wire) -> Result<bool, ProxyError> {
    let mut moved = false;
    while relay.may_write(to) {
        match wire.send(&[IoSlice::new(relay.pending(to))]) {
            Ok(0) => relay.on_write_error(to, ErrorKind::WriteZero.into())?,
            Ok(n) => {
                relay.advance(to, n);
                moved = true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                relay.on_write_error(to, error)?;
                moved = true;
            }
        }
    }
    Ok(moved)
}

/// Reads once from a side. Whether anything came of it.
fn receive(relay: &mut Relay, from: Side, wire: &mut impl Wire, scratch: &mut [u8]) -> Result<bool, ProxyError> {
    let received = loop {
        match wire.recv(scratch) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            received => break received,
        }
    };
    let (input, source) = match received {
        Ok(0) => (Input::Eof, None),
        Ok(n) => (Input::Bytes(&scratch[..n]), None),
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
        Err(error) => (Input::Reset, Some(error)),
    };
    let in_flight = match (from, input) {
        (Side::Client, Input::Bytes(bytes)) => relay.push_client_bytes(bytes),
        (Side::Client, end) => relay.from_client(end).map(drop),
        (_, input) => relay.from_backend(input).map(drop),
    };
    in_flight.map_err(|error| match source {
        Some(source) => error.with_source(source),
        None => error,
    })?;
    Ok(true)
}
