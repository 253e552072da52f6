//! Bytes pending for one socket.
//!
//! All bytes for a peer pass through its `SendBuffer`: no engine keeps unsent bytes anywhere else. While a replay is
//! possible, sending advances an offset and keeps the bytes, so that a retry sends the same bytes.

/// Capacity above this is freed when the buffer is used for another exchange.
const MAX_RETAINED_CAPACITY: usize = 32 * 1024;

#[derive(Debug, Default)]
pub(crate) struct SendBuffer {
    bytes: Vec<u8>,
    sent: usize,
    replayable: bool,
}

impl SendBuffer {
    /// Empties the buffer for another exchange.
    pub(crate) fn reset(&mut self, replayable: bool) {
        self.bytes.clear();
        self.bytes.shrink_to(MAX_RETAINED_CAPACITY);
        self.sent = 0;
        self.replayable = replayable;
    }

    /// The buffer to append new bytes to.
    pub(crate) fn buf_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The bytes that have not been sent.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Whether all bytes have been sent; bytes kept for a replay do not count as unsent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Records that the socket took `n` bytes.
    pub(crate) fn advance(&mut self, n: usize) {
        self.sent += n;
        debug_assert!(self.sent <= self.bytes.len(), "a socket cannot take more bytes than it was given");
        if !self.replayable && self.is_flushed() {
            self.bytes.clear();
            self.sent = 0;
        }
    }

    /// Whether [`rewind`](Self::rewind) would restore every byte since the reset.
    pub(crate) fn is_replayable(&self) -> bool {
        self.replayable
    }

    /// Sends again from the first byte.
    pub(crate) fn rewind(&mut self) {
        debug_assert!(self.replayable, "the sent bytes have been dropped");
        self.sent = 0;
    }

    /// The number of bytes in the buffer, sent bytes kept for a replay included.
    pub(crate) fn retained_len(&self) -> usize {
        self.bytes.len()
    }

    /// Disables the replay and drops the bytes kept for it.
    pub(crate) fn disable_replay(&mut self) {
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
    fn replays_until_replay_is_disabled() {
        let mut buffer = SendBuffer::default();
        buffer.reset(true);
        buffer.buf_mut().extend_from_slice(b"hello");
        buffer.advance(5);
        assert!(buffer.is_flushed());
        buffer.rewind();
        assert_eq!(buffer.pending(), b"hello");
        buffer.advance(2);
        buffer.disable_replay();
        assert_eq!(buffer.pending(), b"llo");
        buffer.advance(3);
        assert!(buffer.is_flushed() && buffer.buf_mut().is_empty());
    }
}
