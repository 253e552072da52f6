//! Bytes in user space that wait to be sent.

/// Bytes that were received and not yet sent. Empty, it holds no memory.
#[derive(Debug, Default)]
pub struct CopyBuffer {
    bytes: Box<[u8]>,
    sent: usize,
}

impl CopyBuffer {
    /// These bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into_boxed_slice(), sent: 0 }
    }

    /// What is to be sent.
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// The first `count` unsent bytes have been sent.
    pub fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.unsent().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sent_in_pieces_and_then_holds_no_memory() {
        let mut buffer = CopyBuffer::new(b"hello".to_vec());
        buffer.advance(2);
        assert_eq!(buffer.unsent(), b"llo");
        buffer.advance(3);
        assert!(buffer.is_empty() && buffer.bytes.is_empty());
    }
}
