//! Bytes pending for one socket.
//!
//! All bytes for a peer pass through its `SendBuffer`: no engine keeps unsent bytes anywhere else. The exception are
//! those that an engine splices: they are in its pipe, behind the bytes of the buffer, and are counted here. While a
//! replay is possible, sending advances an offset and keeps the bytes, so that a retry sends the same bytes.

/// Capacity above this is freed when the buffer is used for another exchange.
const MAX_RETAINED_CAPACITY: usize = 32 * 1024;

#[derive(Debug, Default)]
pub(crate) struct SendBuffer {
    bytes: Vec<u8>,
    sent: usize,
    replayable: bool,
    /// How many bytes are in the engine's pipe to this socket.
    in_pipe: u64,
}

impl SendBuffer {
    /// Empties the buffer for another exchange.
    pub(crate) fn reset(&mut self, replayable: bool) {
        self.bytes.clear();
        self.bytes.shrink_to(MAX_RETAINED_CAPACITY);
        self.sent = 0;
        self.replayable = replayable;
        self.in_pipe = 0;
    }

    /// The buffer to append new bytes to.
    pub(crate) fn buf_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The bytes that have not been sent.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Whether bytes of the buffer have not been sent; those kept for a replay do not count.
    pub(crate) fn has_pending(&self) -> bool {
        self.sent < self.bytes.len()
    }

    /// Whether all bytes have been sent, those in the pipe included.
    pub(crate) fn is_flushed(&self) -> bool {
        !self.has_pending() && self.in_pipe == 0
    }

    /// How many bytes are in the pipe.
    pub(crate) fn in_pipe(&self) -> u64 {
        self.in_pipe
    }

    /// The bytes in the pipe will not be sent: nobody splices any more.
    pub(crate) fn empty_pipe(&mut self) {
        self.in_pipe = 0;
    }

    /// Records that `n` bytes have gone into the pipe.
    pub(crate) fn pipe_filled(&mut self, n: u64) {
        debug_assert!(!self.has_pending(), "the bytes in the pipe would overtake those in the buffer");
        self.in_pipe += n;
    }

    /// Records that the socket took `n` bytes out of the pipe.
    pub(crate) fn pipe_drained(&mut self, n: u64) {
        debug_assert!(n <= self.in_pipe, "a pipe gives no more than it got");
        self.in_pipe -= n;
    }

    /// Records that the socket took `n` bytes.
    pub(crate) fn advance(&mut self, n: usize) {
        self.sent += n;
        debug_assert!(self.sent <= self.bytes.len(), "a socket cannot take more bytes than it was given");
        if !self.replayable && !self.has_pending() {
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
