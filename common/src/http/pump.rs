//! Moves bytes between two non-blocking sockets and a relay.

use std::{
    convert::Infallible,
    io::{self, ErrorKind, IoSlice},
};

use super::{
    date::HttpDate,
    error::{ProxyError, Side},
    relay::{Input, Relay},
    response_hook::ResponseHook,
    wants::Wants,
};

/// The recommended size of the read buffer that an engine shares between its exchanges.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Iterations after which [`pump`] yields although both sockets are still ready. Running until both would block lets
/// two fast peers starve the other connections of an event loop.
const MAX_ITERATIONS: usize = 16;

/// A non-blocking socket. On `WouldBlock` the engine waits, and calls [`pump`] again when the socket is ready for what
/// [`Wants`] names. An implementation that knows without a system call that no input has arrived, for example after a
/// short read, may return `WouldBlock` at once: this saves a `recv` per message. It must ask the kernel again before
/// the engine next waits. With edge-triggered readiness this is a trap: data and FIN can arrive in one event, and no
/// other event follows a short read. Such an implementation keeps the socket readable while its last event reported
/// that the peer has closed.
pub trait Wire {
    /// Reads what has arrived; 0 is the end of the stream.
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize>;
    /// Writes as much as the socket takes.
    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Shuts down the write side (FIN).
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// The wire of an absent side: for a local reply, which has no backend.
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

/// The result of [`pump`](pump()), and of [`pump_throttled`](super::pump_throttled) with `T` = [`Pause`](super::Pause).
/// An engine that never throttles has no case for it: nothing can be `Throttled(Infallible)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pumped<T = Infallible> {
    /// Both sockets would block: wait for this.
    Wait(Wants),
    /// The client's bandwidth is used up: wait until then, or until a socket is ready.
    Throttled(T),
    /// More bytes could be moved, but other connections should be served first. A thread per connection calls again at
    /// once.
    Yield,
    /// The exchange is complete: call [`Relay::end`].
    Done,
}

/// Moves bytes until both sockets would block. `scratch` is the engine's read buffer, shared by all its exchanges; no
/// bytes stay in it. [`READ_BUFFER_BYTES`] is a good size. `date` is asked for the current date when a backend's
/// response has none (RFC 9110 §6.6.1): the relay has no clock, and most responses need none.
///
/// # Errors
/// The exchange failed: check [`Relay::may_retry`], or call [`Relay::fail`] and pump again to send the local reply.
pub fn pump<C: Wire, B: Wire>(
    relay: &mut Relay,
    client: &mut C,
    backend: &mut B,
    scratch: &mut [u8],
    mut date: impl FnMut() -> HttpDate,
) -> Result<Pumped, ProxyError> {
    pump_with_hook(relay, client, backend, scratch, &mut date)
}

/// As [`pump`]; `hook` sees the head of the final response, and may edit it, before it is written. `T` is any type: an
/// engine that throttles some of its clients pumps the others with the same result type.
///
/// # Errors
/// As [`pump`].
pub fn pump_with_hook<C: Wire, B: Wire, T>(
    relay: &mut Relay,
    client: &mut C,
    backend: &mut B,
    scratch: &mut [u8],
    hook: &mut impl ResponseHook,
) -> Result<Pumped<T>, ProxyError> {
    relay.write_pending_reply(hook);
    for _ in 0..MAX_ITERATIONS {
        flush(relay, Side::Backend, backend)?;
        flush(relay, Side::Client, client)?;
        while let Some(side) = relay.take_half_close() {
            // If the peer is gone, the next read reports it.
            drop(if side == Side::Client { client.shutdown_write() } else { backend.shutdown_write() });
        }
        if relay.is_done() {
            return Ok(Pumped::Done);
        }
        // Only what is read is a reason for another iteration. What was sent is not: whatever it permits to read is read
        // here, and a second read that would block costs a poll of the socket per request.
        let mut progressed = false;
        if relay.may_read(Side::Backend) {
            progressed |= receive(relay, Side::Backend, backend, scratch, hook)?;
        }
        if relay.may_read(Side::Client) {
            progressed |= receive(relay, Side::Client, client, scratch, hook)?;
        }
        if !progressed && !relay.is_done() {
            return Ok(Pumped::Wait(relay.wants()));
        }
    }
    Ok(Pumped::Yield)
}

/// Sends the pending bytes of one side.
fn flush(relay: &mut Relay, to: Side, wire: &mut impl Wire) -> Result<(), ProxyError> {
    while relay.may_write(to) {
        match wire.send(&[IoSlice::new(relay.pending(to))]) {
            Ok(0) => relay.on_write_error(to, ErrorKind::WriteZero.into())?,
            Ok(n) => relay.advance(to, n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => relay.on_write_error(to, error)?,
        }
    }
    Ok(())
}

/// Reads once from one side. Returns whether anything was read.
fn receive(
    relay: &mut Relay,
    from: Side,
    wire: &mut impl Wire,
    scratch: &mut [u8],
    hook: &mut impl ResponseHook,
) -> Result<bool, ProxyError> {
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
    let accepted = match (from, input) {
        (Side::Client, Input::Bytes(bytes)) => relay.push_client_bytes(bytes),
        (Side::Client, end) => relay.from_client(end).map(drop),
        (_, input) => relay.from_backend(input, hook).map(drop),
    };
    accepted.map_err(|error| match source {
        Some(source) => error.with_source(source),
        None => error,
    })?;
    Ok(true)
}
