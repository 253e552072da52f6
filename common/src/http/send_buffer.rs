//! Bytes owed to one socket.
//!
//! Everything that a peer is to get passes through its lane: no engine keeps unsent bytes anywhere else.
//! While a replay is possible, sending moves a mark and keeps the bytes, so that a retry sends the same.

/// Above this a lane gives its memory back when it is used for another exchange.
const MAX_RETAINED_CAPACITY: usize = 32 * 1024;

#[derive(Debug, Default)]
pub(crate) struct SendBuffer {
    bytes: Vec<u8>,
    sent: usize,
    replayable: bool,
}

impl SendBuffer {
    /// Empties the lane for another exchange.
    pub(crate) fn reset(&mut self, replayable: bool) {
        self.bytes.clear();
        self.bytes.shrink_to(MAX_RETAINED_CAPACITY);
        self.sent = 0;
        self.replayable = replayable;
    }

    /// Where new bytes are written.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What is still owed.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// The socket took `n` bytes.
    pub(crate) fn sent(&mut self, n: usize) {
        self.sent += n;
        debug_assert!(self.sent <= self.bytes.len(), "a socket cannot take more than it was offered");
        if !self.replayable && self.is_empty() {
            self.bytes.clear();
            self.sent = 0;
        }
    }

    /// Whether [`rewind`](Self::rewind) would bring back every byte since the reset.
    pub(crate) fn is_replayable(&self) -> bool {
        self.replayable
    }

    /// Starts again from the first byte.
    pub(crate) fn rewind(&mut self) {
        debug_assert!(self.replayable, "the bytes of a drained lane are gone");
        self.sent = 0;
    }

    /// How many bytes are held, those kept for a replay included.
    pub(crate) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Gives up the replay and what was kept for it.
    pub(crate) fn drain_from_now_on(&mut self) {
        if self.replayable {
            self.replayable = false;
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replays_until_told_to_drain() {
        let mut buffer = SendBuffer::default();
        buffer.reset(true);
        buffer.tail().extend_from_slice(b"hello");
        buffer.sent(5);
        assert!(buffer.is_empty());
        buffer.rewind();
        assert_eq!(buffer.pending(), b"hello");
        buffer.sent(2);
        buffer.drain_from_now_on();
        assert_eq!(buffer.pending(), b"llo");
        buffer.sent(3);
        assert!(buffer.is_empty() && buffer.tail().is_empty());
    }
}
