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
    bytes: Vec<u8>,
    /// How many of them belong to requests that have begun. They stay until the rest is used up: a client may pipeline
    /// hundreds of requests in one segment, and moving the rest to the front for each would cost its square.
    consumed: usize,
    /// How much of the rest has been searched for the end of a head.
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
        matches!(self.unread(), [] | [b'\r'] | [b'\r', b'\n'])
    }

    fn unread(&self) -> &[u8] {
        &self.bytes[self.consumed..]
    }

    /// Adds received bytes and looks for a complete head. When the request has begun, call [`consume`](Self::consume),
    /// and after the exchange [`push_pipelined`](Self::push_pipelined).
    ///
    /// # Errors
    /// The bytes are not a valid request.
    pub fn read_request<'a>(
        &'a mut self,
        received: &'a [u8],
        head: &mut Head,
    ) -> Result<Option<ReceivedRequest<'a>>, ProtocolError> {
        let in_place = self.unread().is_empty();
        if !in_place && !received.is_empty() {
            self.bytes.drain(..self.consumed);
            self.consumed = 0;
            self.bytes.extend_from_slice(received);
        }
        let bytes = if in_place { received } else { &self.bytes[self.consumed..] };
        if let Some(length) = head.read_request(bytes, &mut self.scanned)? {
            let bytes = if in_place { received } else { self.unread() };
            let (head, rest) = bytes.split_at(length);
            return Ok(Some(ReceivedRequest { head, rest }));
        }
        if in_place {
            self.bytes.clear();
            self.consumed = 0;
            self.bytes.extend_from_slice(received);
        }
        Ok(None)
    }

    /// The first `length` bytes belong to a request that has begun: its head, and what its relay took of the rest
    /// ([`Relay::take_client_bytes`](super::Relay::take_client_bytes)). The others are kept for the next request.
    /// `received` is what [`read_request`](Self::read_request) got.
    pub fn consume(&mut self, received: &[u8], length: usize) {
        self.scanned = 0;
        if self.unread().is_empty() {
            self.bytes = received[length..].to_vec();
            self.consumed = 0;
        } else {
            self.consumed += length;
        }
        if self.unread().is_empty() {
            self.clear();
        }
    }

    /// Empties the buffer and frees its memory.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps pipelined bytes that the relay has read ([`Relay::take_pipelined`](super::Relay::take_pipelined)). It reads
    /// only what its request needs, so either of the two has none.
    pub fn push_pipelined(&mut self, pipelined: Vec<u8>) {
        debug_assert!(self.unread().is_empty() || pipelined.is_empty(), "the buffered request comes first");
        if !pipelined.is_empty() {
            self.bytes = pipelined;
            self.consumed = 0;
        }
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
        buffer.consume(&input, input.len());
        assert!(buffer.is_idle() && buffer.bytes.capacity() == 0);
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
    fn pipelined_requests_are_consumed_one_by_one_and_moved_once() {
        let (mut buffer, mut head) = (RequestBuffer::default(), Head::new());
        let input = [REQUEST, REQUEST, REQUEST, b"GE"].concat();
        let mut place = None;
        for turn in 0..3 {
            let received = if turn == 0 { &input[..] } else { b"" };
            assert_eq!(buffer.read_request(received, &mut head).unwrap().unwrap().head, REQUEST);
            buffer.consume(received, REQUEST.len());
            assert_eq!(*place.get_or_insert(buffer.bytes.as_ptr()), buffer.bytes.as_ptr());
            assert_eq!(buffer.unread().len(), (2 - turn) * REQUEST.len() + 2);
        }
        assert!(buffer.read_request(&REQUEST[2..9], &mut head).unwrap().is_none() && !buffer.is_idle());
        assert_eq!(buffer.read_request(&REQUEST[9..], &mut head).unwrap().unwrap().head, REQUEST);
        buffer.consume(&REQUEST[9..], REQUEST.len());
        assert!(buffer.is_idle() && buffer.bytes.capacity() == 0);
    }

    #[test]
    fn an_empty_line_is_not_a_request() {
        let (mut buffer, mut head) = (RequestBuffer::default(), Head::new());
        assert!(buffer.read_request(b"\r\n", &mut head).unwrap().is_none());
        assert!(buffer.is_idle());
        let length = buffer.read_request(REQUEST, &mut head).unwrap().unwrap().head.len();
        buffer.consume(REQUEST, length);
        assert!(buffer.read_request(b" GET", &mut head).is_err());
    }
}
