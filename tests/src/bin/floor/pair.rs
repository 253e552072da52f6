//! A client, its backend, and what each is owed.
//!
//! The invariant is back-pressure: a side is read only while the other is owed nothing. So a pair holds at most one
//! buffer's worth per direction, and only while its reader is slow; then TCP tells the writer to wait.

use std::io::{self, IoSlice};

use common::net::set_reset_on_close;
use integration_tests::edge::EdgeStream;
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
struct End {
    stream: EdgeStream,
    /// Bytes for this end that it has not taken yet.
    owed: Vec<u8>,
    /// It will send nothing more.
    finished: bool,
    /// It was told that nothing more comes.
    shut: bool,
}

pub(crate) struct Pair {
    client: End,
    backend: End,
}

impl Pair {
    pub(crate) fn new(client: EdgeStream, backend: EdgeStream) -> Self {
        let end = |stream| End { stream, owed: Vec::new(), finished: false, shut: false };
        Self { client: end(client), backend: end(backend) }
    }

    pub(crate) fn note(&mut self, side: Side, event: &Event) {
        match side {
            Side::Client => self.client.stream.note(event),
            Side::Backend => self.backend.stream.note(event),
        }
    }

    /// Moves what can be moved, both ways.
    pub(crate) fn run(&mut self, scratch: &mut [u8]) -> Progress {
        let Self { client, backend } = self;
        let moved = relay(client, backend, scratch).and_then(|()| relay(backend, client, scratch));
        if moved.is_err() {
            // Cut off: neither side may take what it has for the whole.
            set_reset_on_close(client.stream.socket());
            set_reset_on_close(backend.stream.socket());
            return Progress::Ended;
        }
        if client.shut && backend.shut { Progress::Ended } else { Progress::Waits }
    }
}

/// Moves bytes one way until there are none, or nobody takes them.
fn relay(from: &mut End, to: &mut End, scratch: &mut [u8]) -> io::Result<()> {
    while to.flush()? && !to.shut {
        if from.finished {
            to.stream.shut_write()?;
            to.shut = true;
            return Ok(());
        }
        match from.stream.read(scratch)? {
            None => return Ok(()),
            Some(0) => from.finished = true,
            Some(read) => to.take(&scratch[..read])?,
        }
    }
    Ok(())
}

impl End {
    /// Sends what is owed; `false` if some of it still is.
    fn flush(&mut self) -> io::Result<bool> {
        if self.owed.is_empty() {
            return Ok(true);
        }
        let sent = self.stream.write(&[IoSlice::new(&self.owed)])?.unwrap_or(0);
        self.owed.drain(..sent);
        if self.owed.is_empty() {
            self.owed = Vec::new(); // a pair that waits for the next message holds no buffer
        }
        Ok(self.owed.is_empty())
    }

    /// Sends `bytes`, and owes what does not go.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.stream.write(&[IoSlice::new(bytes)])?.unwrap_or(0);
        self.owed.extend_from_slice(&bytes[sent..]);
        Ok(())
    }
}
