//! TLS records, which carry the handshake (RFC 8446 §5.1): type, version, length of two bytes, fragment.

use super::error::ClientHelloError;

const HANDSHAKE: u8 = 22;
/// Of SSL 3.0 and TLS 1.0 to 1.3.
const MAJOR_VERSION: u8 = 3;
const HEADER_BYTES: usize = 5;
const MAX_FRAGMENT_BYTES: usize = 1 << 14;

/// The part of a record's fragment that has arrived.
#[derive(Clone, Copy)]
pub(super) struct Fragment<'a> {
    pub(super) bytes: &'a [u8],
    /// How many bytes of it have yet to arrive.
    pub(super) missing: usize,
}

/// The fragments of the records in these bytes. A header that has not arrived whole ends them.
pub(super) struct Fragments<'a> {
    rest: &'a [u8],
    is_first: bool,
}

impl<'a> Fragments<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, is_first: true }
    }

    /// The next one, of a handshake record.
    pub(super) fn next(&mut self) -> Result<Option<Fragment<'a>>, ClientHelloError> {
        let unexpected = if self.is_first { ClientHelloError::NotTls } else { ClientHelloError::InterruptedMessage };
        let is_valid = self.rest.iter().zip([HANDSHAKE, MAJOR_VERSION]).all(|(byte, expected)| *byte == expected);
        if !is_valid {
            return Err(unexpected);
        }
        let Some(([.., high, low], rest)) = self.rest.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if !(1..=MAX_FRAGMENT_BYTES).contains(&length) {
            return Err(ClientHelloError::RecordLength(length));
        }
        let (bytes, rest) = rest.split_at(length.min(rest.len()));
        (self.rest, self.is_first) = (rest, false);
        Ok(Some(Fragment { bytes, missing: length - bytes.len() }))
    }
}
