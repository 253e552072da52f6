//! Wires in memory: what the peer sent, what it was sent, and how reluctantly.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
};

use common::http::Wire;

/// How a peer's stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Fin,
    Reset,
}

/// One socket, as the machine sees it. The peer's part plays whoever owns it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// From the peer, not yet taken.
    pub(crate) inbox: VecDeque<u8>,
    /// After the inbox.
    pub(crate) inbox_end: Option<Ended>,
    /// All that the peer was sent.
    pub(crate) sent: Vec<u8>,
    /// How much more it would take now.
    pub(crate) room: usize,
    /// The peer will take nothing any more.
    pub(crate) broken: bool,
    /// FIN was sent.
    pub(crate) shut: bool,
    /// Largest piece that one call gives; 0 stands for a socket that does not wake.
    pub(crate) piece: usize,
    /// Bytes taken.
    pub(crate) received: usize,
    /// The end was read; to ask again is a fault.
    pub(crate) end_read: bool,
}

impl Memory {
    /// A wire that gives `inbox` at once and takes everything.
    pub(crate) fn willing(inbox: &[u8]) -> Self {
        Self { inbox: inbox.iter().copied().collect(), room: usize::MAX, piece: usize::MAX, ..Self::default() }
    }

    pub(crate) fn then(mut self, end: Ended) -> Self {
        self.inbox_end = Some(end);
        self
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.piece > 0 && (!self.inbox.is_empty() || self.inbox_end.is_some())
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.broken || self.room > 0
    }
}

impl Wire for Memory {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        assert!(!into.is_empty(), "a read into nothing looks like the end");
        if !self.is_readable() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.inbox.is_empty() {
            assert!(!self.end_read, "read again after the end");
            self.end_read = true;
            return match self.inbox_end {
                Some(Ended::Reset) => Err(ErrorKind::ConnectionReset.into()),
                _ => Ok(0),
            };
        }
        let n = self.inbox.len().min(into.len()).min(self.piece);
        for (to, from) in into.iter_mut().zip(self.inbox.drain(..n)) {
            *to = from;
        }
        self.received += n;
        Ok(n)
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        assert!(!self.shut, "sent after FIN");
        let offered: usize = from.iter().map(|part| part.len()).sum();
        assert!(offered > 0, "sent nothing");
        if self.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = offered.min(self.room);
        let mut left = n;
        for part in from {
            let taken = part.len().min(left);
            self.sent.extend_from_slice(&part[..taken]);
            left -= taken;
        }
        self.room -= n;
        Ok(n)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        assert!(!self.shut, "FIN sent twice");
        self.shut = true;
        Ok(())
    }
}
