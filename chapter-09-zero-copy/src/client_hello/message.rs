//! The handshake message in the records: type, length of three bytes, body (RFC 8446 §4).

use std::borrow::Cow;

use super::{
    error::ClientHelloError,
    record::{Fragment, Fragments},
};

const CLIENT_HELLO: u8 = 1;
const HEADER_BYTES: usize = 4;
/// The longest message, header included. With a post-quantum key share one has some 2 KiB; nginx and HAProxy
/// have 16 KiB for it too, the size of their buffers.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;
/// The longest message together with its records' headers, in bytes: a client may send records of one byte each, and
/// their headers are five times as long as the message.
pub const MAX_RECEIVED_BYTES: usize = 2 * MAX_MESSAGE_BYTES;

/// The body of the `ClientHello` at the start of `bytes`, or `None` if it has not arrived whole. It is copied only if
/// it is split over several records.
pub(super) fn body(bytes: &[u8]) -> Result<Option<Cow<'_, [u8]>>, ClientHelloError> {
    let received = &bytes[..bytes.len().min(MAX_RECEIVED_BYTES)];
    let mut fragments = Fragments::new(received);
    let mut message = Message::default();
    while let Some(fragment) = fragments.next()? {
        if message.add(fragment)? {
            return Ok(Some(message.body(fragment, received)?));
        }
    }
    if received.len() == MAX_RECEIVED_BYTES { Err(ClientHelloError::TooLong) } else { Ok(None) }
}

/// How much of the message has been found.
#[derive(Default)]
struct Message {
    header: [u8; HEADER_BYTES],
    length: usize,
}

impl Message {
    /// Adds the next fragment. Whether the message is whole now.
    fn add(&mut self, fragment: Fragment<'_>) -> Result<bool, ClientHelloError> {
        let header = self.header.iter_mut().skip(self.length);
        header.zip(fragment.bytes).for_each(|(to, byte)| *to = *byte);
        self.length += fragment.bytes.len();
        if self.length > 0 && self.header[0] != CLIENT_HELLO {
            return Err(ClientHelloError::NotClientHello(self.header[0]));
        }
        if self.length < HEADER_BYTES {
            return Ok(false);
        }
        let expected = self.expected_length();
        if expected > MAX_MESSAGE_BYTES {
            return Err(ClientHelloError::TooLong);
        }
        if self.length + fragment.missing > expected {
            return Err(ClientHelloError::TrailingBytes);
        }
        Ok(self.length == expected)
    }

    fn expected_length(&self) -> usize {
        let [_, high, middle, low] = self.header.map(usize::from);
        HEADER_BYTES + (high << 16 | middle << 8 | low)
    }

    /// The body of a whole message that ends with the `last` fragment of `received`.
    fn body<'a>(&self, last: Fragment<'a>, received: &'a [u8]) -> Result<Cow<'a, [u8]>, ClientHelloError> {
        if last.bytes.len() == self.length {
            return Ok(Cow::Borrowed(&last.bytes[HEADER_BYTES..]));
        }
        let mut copied = Vec::with_capacity(self.length);
        let mut fragments = Fragments::new(received);
        while copied.len() < self.length
            && let Some(fragment) = fragments.next()?
        {
            copied.extend_from_slice(fragment.bytes);
        }
        copied.drain(..HEADER_BYTES);
        Ok(Cow::Owned(copied))
    }
}
