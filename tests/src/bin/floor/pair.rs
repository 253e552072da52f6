//! A client, its backend, and the bytes pending for each.
//!
//! The invariant is backpressure: a side is read only while no bytes are pending for the other. So a pair buffers at
//! most one read per direction, and only while its reader is slow; then TCP flow control stops the writer.

use std::io::{self, IoSlice};

use common::net::set_reset_on_close;
use integration_tests::edge_triggered::EdgeTriggeredStream;
use mio::event::Event;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Backend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Waits,
    Ended,
}

/// One end of a pair.
struct Endpoint {
    stream: EdgeTriggeredStream,
    /// Bytes that are still to be sent to this end.
    pending: Vec<u8>,
    /// This end has sent FIN.
    fin_received: bool,
    /// FIN was sent to this end.
    write_shut_down: bool,
}

pub(crate) struct Pair {
    client: Endpoint,
    backend: Endpoint,
}

impl Pair {
    pub(crate) fn new(client: EdgeTriggeredStream, backend: EdgeTriggeredStream) -> Self {
        let end = |stream| Endpoint { stream, pending: Vec::new(), fin_received: false, write_shut_down: false };
        Self { client: end(client), backend: end(backend) }
    }

    pub(crate) fn on_event(&mut self, side: Side, event: &Event) {
        match side {
            Side::Client => self.client.stream.on_event(event),
            Side::Backend => self.backend.stream.on_event(event),
        }
    }

    /// Moves bytes both ways, as far as possible.
    pub(crate) fn run(&mut self, scratch: &mut [u8]) -> Progress {
        let Self { client, backend } = self;
        let moved = relay(client, backend, scratch).and_then(|()| relay(backend, client, scratch));
        if moved.is_err() {
            // Reset: neither side may take what it received for the complete stream.
            set_reset_on_close(client.stream.socket());
            set_reset_on_close(backend.stream.socket());
            return Progress::Ended;
        }
        if client.write_shut_down && backend.write_shut_down { Progress::Ended } else { Progress::Waits }
    }
}

/// Moves bytes one way until no more can be read or written.
fn relay(from: &mut Endpoint, to: &mut Endpoint, scratch: &mut [u8]) -> io::Result<()> {
    while to.flush()? && !to.write_shut_down {
        if from.fin_received {
            to.stream.shutdown_write()?;
            to.write_shut_down = true;
            return Ok(());
        }
        match from.stream.read(scratch)? {
            None => return Ok(()),
            Some(0) => from.fin_received = true,
            Some(read) => to.send_or_buffer(&scratch[..read])?,
        }
    }
    Ok(())
}

impl Endpoint {
    /// Sends pending bytes; `false` if some are still pending.
    fn flush(&mut self) -> io::Result<bool> {
        if self.pending.is_empty() {
            return Ok(true);
        }
        let sent = self.stream.write(&[IoSlice::new(&self.pending)])?.unwrap_or(0);
        self.pending.drain(..sent);
        if self.pending.is_empty() {
            self.pending = Vec::new(); // an idle pair holds no buffer
        }
        Ok(self.pending.is_empty())
    }

    /// Sends `bytes`; those that do not fit into the socket become pending.
    fn send_or_buffer(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.stream.write(&[IoSlice::new(bytes)])?.unwrap_or(0);
        self.pending.extend_from_slice(&bytes[sent..]);
        Ok(())
    }
}
