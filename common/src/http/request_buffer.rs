//! Bytes of a client that belong to no exchange yet: a partial head, or pipelined requests.
//!
//! A complete head is parsed in the engine's read buffer and never copied; only a partial head is copied here, until
//! the rest arrives. So an idle client holds no buffer, and with ten thousand of them the common case still copies
//! nothing; a buffer per client that always copies would cost both. Each connection has a `RequestBuffer`; the engine's
//! [`Head`] is shared, because a parsed head is not kept beyond the call that parsed it.

use super::{Head, ProtocolError};

/// The bytes that one connection keeps between two reads.
#[derive(Debug, Default)]
pub struct RequestBuffer {
    partial: Vec<u8>,
    /// How much of it has been searched for the end of a head.
    scanned: usize,
}

/// A request whose head is complete.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedRequest<'a> {
    /// The head with its empty line: the argument of [`Head::view`].
    pub head: &'a [u8],
    /// The bytes after it: its body or a part of it, or the next request.
    pub rest: &'a [u8],
}

impl RequestBuffer {
    /// Whether no request has begun. Some clients send an empty line after a body; it does not begin a request (RFC
    /// 9112 §2.2).
    pub fn is_idle(&self) -> bool {
        matches!(self.partial[..], [] | [b'\r'] | [b'\r', b'\n'])
    }

    /// Adds received bytes and looks for a complete head. When the request has begun, call [`clear`](Self::clear), and
    /// after the exchange [`push_pipelined`](Self::push_pipelined) with the bytes of the next request.
    ///
    /// # Errors
    /// The bytes are not a valid request.
    pub fn read_request<'a>(
        &'a mut self,
        received: &'a [u8],
        head: &mut Head,
    ) -> Result<Option<ReceivedRequest<'a>>, ProtocolError> {
        let bytes = if self.partial.is_empty() {
            received
        } else {
            self.partial.extend_from_slice(received);
            &self.partial
        };
        if let Some(length) = head.read_request(bytes, &mut self.scanned)? {
            let bytes = if self.partial.is_empty() { received } else { &self.partial };
            let (head, rest) = bytes.split_at(length);
            return Ok(Some(ReceivedRequest { head, rest }));
        }
        if self.partial.is_empty() {
            self.partial.extend_from_slice(received);
        }
        Ok(None)
    }

    /// Empties the buffer and frees its memory.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps pipelined bytes.
    pub fn push_pipelined(&mut self, pipelined: Vec<u8>) {
        debug_assert!(self.partial.is_empty(), "the buffered request comes first");
        self.partial = pipelined;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    #[test]
    fn a_whole_head_is_parsed_in_place_and_nothing_is_buffered() {
        let (mut buffer, mut head) = (RequestBuffer::default(), Head::new());
        let input = [REQUEST, b"GET"].concat();
        let received = buffer.read_request(&input, &mut head).unwrap().unwrap();
        assert_eq!((received.head, received.rest), (REQUEST, &b"GET"[..]));
        assert_eq!(received.head.as_ptr(), input.as_ptr());
        buffer.clear();
        assert!(buffer.is_idle() && buffer.partial.capacity() == 0);
    }

    #[test]
    fn a_head_may_arrive_in_any_two_pieces() {
        for cut in 1..REQUEST.len() {
            let (mut buffer, mut head) = (RequestBuffer::default(), Head::new());
            assert!(buffer.read_request(&REQUEST[..cut], &mut head).unwrap().is_none());
            assert!(!buffer.is_idle());
            let received = buffer.read_request(&REQUEST[cut..], &mut head).unwrap().unwrap();
            assert_eq!((received.head, received.rest), (REQUEST, &b""[..]), "cut at {cut}");
        }
    }

    #[test]
    fn a_pipelined_request_is_found_without_more_input() {
        let (mut buffer, mut head) = (RequestBuffer::default(), Head::new());
        buffer.push_pipelined([REQUEST, b"GE"].concat());
        let received = buffer.read_request(b"", &mut head).unwrap().unwrap();
        assert_eq!((received.head, received.rest), (REQUEST, &b"GE"[..]));
    }

    #[test]
    fn an_empty_line_is_not_a_request() {
        let (mut buffer, mut head) = (RequestBuffer::default(), Head::new());
        assert!(buffer.read_request(b"\r\n", &mut head).unwrap().is_none());
        assert!(buffer.is_idle());
        assert!(buffer.read_request(REQUEST, &mut head).unwrap().is_some());
        buffer.clear();
        assert!(buffer.read_request(b" GET", &mut head).is_err());
    }
}
