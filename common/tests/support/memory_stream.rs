//! In-memory streams whose peer is the test: it decides what can be read and how much can be written.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
};

use common::http::Wire;

/// How a peer's stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    Fin,
    Reset,
}

/// One socket, as the relay sees it. The test plays the peer.
#[derive(Debug, Default)]
pub(crate) struct MemoryStream {
    /// Sent by the peer, not yet read.
    pub(crate) input: VecDeque<u8>,
    /// What follows `input`.
    pub(crate) input_end: Option<StreamEnd>,
    /// Everything written to the peer.
    pub(crate) sent: Vec<u8>,
    /// How many more bytes can be written before `WouldBlock`.
    pub(crate) write_capacity: usize,
    /// Writes fail with `EPIPE`: the peer has closed.
    pub(crate) broken_pipe: bool,
    /// Whether FIN was sent.
    pub(crate) write_shut_down: bool,
    /// The most bytes that one read returns; 0 stands for a socket without a readiness event.
    pub(crate) max_read: usize,
    /// Bytes read so far.
    pub(crate) bytes_read: usize,
    /// Whether the end was read; another read is a bug.
    pub(crate) end_was_read: bool,
}

impl MemoryStream {
    /// A stream from which `input` can be read at once, and to which any number of bytes can be written.
    pub(crate) fn with_input(input: &[u8]) -> Self {
        Self {
            input: input.iter().copied().collect(),
            write_capacity: usize::MAX,
            max_read: usize::MAX,
            ..Self::default()
        }
    }

    pub(crate) fn ending_with(mut self, end: StreamEnd) -> Self {
        self.input_end = Some(end);
        self
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.max_read > 0 && (!self.input.is_empty() || self.input_end.is_some())
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.broken_pipe || self.write_capacity > 0
    }
}

impl Wire for MemoryStream {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        assert!(!into.is_empty(), "a read into an empty buffer looks like the end of the stream");
        if !self.is_readable() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.input.is_empty() {
            assert!(!self.end_was_read, "read again after the end");
            self.end_was_read = true;
            return match self.input_end {
                Some(StreamEnd::Reset) => Err(ErrorKind::ConnectionReset.into()),
                _ => Ok(0),
            };
        }
        let n = self.input.len().min(into.len()).min(self.max_read);
        for (to, from) in into.iter_mut().zip(self.input.drain(..n)) {
            *to = from;
        }
        self.bytes_read += n;
        Ok(n)
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        assert!(!self.write_shut_down, "sent after FIN");
        let offered: usize = from.iter().map(|part| part.len()).sum();
        assert!(offered > 0, "an empty write");
        if self.broken_pipe {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.write_capacity == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = offered.min(self.write_capacity);
        let mut left = n;
        for part in from {
            let taken = part.len().min(left);
            self.sent.extend_from_slice(&part[..taken]);
            left -= taken;
        }
        self.write_capacity -= n;
        Ok(n)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        assert!(!self.write_shut_down, "FIN sent twice");
        self.write_shut_down = true;
        Ok(())
    }
}
