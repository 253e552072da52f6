//! What a client has sent that nobody has taken up yet: a part of a head, or requests ahead of their turn.
//!
//! A head that comes whole is read where the engine received it and is never copied; only a part of one moves here,
//! until the rest has come. So a client that says nothing holds no buffer, however many there are of them. Each
//! connection has an inbox; the engine's [`Head`] is shared, for no head outlives the call that finds it.

use super::{Head, ProtocolError};

/// The bytes that one connection holds between two looks.
#[derive(Debug, Default)]
pub struct RequestBuffer {
    partial: Vec<u8>,
    /// How much of it has been looked through for the end of a head.
    scanned: usize,
}

/// A request whose head is all there.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedRequest<'a> {
    /// The head, its empty line included: what [`Head::view`] wants.
    pub head: &'a [u8],
    /// What came behind it: its body, or a part, or the next request.
    pub rest: &'a [u8],
}

impl RequestBuffer {
    /// Whether no request has begun. An empty line after a body is noise that some clients make, and no request yet
    /// (RFC 9112 §2.2).
    pub fn is_idle(&self) -> bool {
        matches!(self.partial[..], [] | [b'\r'] | [b'\r', b'\n'])
    }

    /// Adds what has come, and looks for a whole head. Once the request has been taken up, call
    /// [`clear`](Self::clear), and [`keep`](Self::keep) what is to be looked at next.
    ///
    /// # Errors
    /// What came cannot be a request.
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

    /// Empties it and gives its memory back.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps what a client sent ahead of its turn.
    pub fn push_pipelined(&mut self, surplus: Vec<u8>) {
        debug_assert!(self.partial.is_empty(), "what is held is taken up first");
        self.partial = surplus;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    #[test]
    fn a_whole_head_is_read_in_place_and_holds_nothing() {
        let (mut inbox, mut head) = (RequestBuffer::default(), Head::new());
        let came = [REQUEST, b"GET"].concat();
        let received = inbox.read_request(&came, &mut head).unwrap().unwrap();
        assert_eq!((received.head, received.rest), (REQUEST, &b"GET"[..]));
        assert_eq!(received.head.as_ptr(), came.as_ptr());
        inbox.clear();
        assert!(inbox.is_idle() && inbox.partial.capacity() == 0);
    }

    #[test]
    fn a_head_may_come_in_any_two_pieces() {
        for cut in 1..REQUEST.len() {
            let (mut inbox, mut head) = (RequestBuffer::default(), Head::new());
            assert!(inbox.read_request(&REQUEST[..cut], &mut head).unwrap().is_none());
            assert!(!inbox.is_idle());
            let received = inbox.read_request(&REQUEST[cut..], &mut head).unwrap().unwrap();
            assert_eq!((received.head, received.rest), (REQUEST, &b""[..]), "cut at {cut}");
        }
    }

    #[test]
    fn what_came_ahead_is_found_without_another_byte() {
        let (mut inbox, mut head) = (RequestBuffer::default(), Head::new());
        inbox.push_pipelined([REQUEST, b"GE"].concat());
        let received = inbox.read_request(b"", &mut head).unwrap().unwrap();
        assert_eq!((received.head, received.rest), (REQUEST, &b"GE"[..]));
    }

    #[test]
    fn an_empty_line_is_no_request_yet() {
        let (mut inbox, mut head) = (RequestBuffer::default(), Head::new());
        assert!(inbox.read_request(b"\r\n", &mut head).unwrap().is_none());
        assert!(inbox.is_idle());
        assert!(inbox.read_request(REQUEST, &mut head).unwrap().is_some());
        inbox.clear();
        assert!(inbox.read_request(b" GET", &mut head).is_err());
    }
}
