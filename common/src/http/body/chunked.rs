//! An incremental decoder of the chunked transfer coding (RFC 9112 §7.1).
//!
//! The decoder gets the stream in pieces of any size and returns the data ranges. It is strict where lenient parsers
//! disagree: CRLF only, one to sixteen hex digits, no sign, bounded extensions. Extensions and trailers are validated
//! and dropped. It knows its peer: some servers pad the chunk size with blanks, and these are accepted from a backend.

use crate::http::{error::Side, parse::field_name::TCHAR, protocol_error::ProtocolError};

/// Longest extension of one chunk, in bytes. In practice only attackers use them.
const MAX_EXTENSION_BYTES: u16 = 256;
/// Largest trailer section, in bytes.
const MAX_TRAILER_BYTES: u16 = 8 * 1024;
/// 16 hex digits fill a u64.
const MAX_SIZE_DIGITS: u16 = 16;

/// The position in the coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkedState {
    /// In the chunk size; the number of digits read.
    Size(u16),
    /// In whitespace after the size; the number of bytes since the size.
    SizeBws(u16),
    /// In the extensions; the number of bytes since the size.
    Extension(u16),
    /// After the CR that ends the size line.
    SizeLf,
    /// In the data; `remaining` is not zero.
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line, or of the empty line that ends the message.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// After the CR of the empty line.
    EndLf,
    Done,
}

/// The result of [`ChunkedDecoder::step`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ChunkedStep {
    /// `skipped` bytes of framing, then `len` bytes of data.
    Data { skipped: usize, len: usize },
    /// The message ended after this many bytes.
    End(usize),
    /// All input is consumed.
    NeedMore,
}

/// The state of one body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkedDecoder {
    state: ChunkedState,
    /// Remaining data bytes of the current chunk.
    remaining: u64,
    trailer_bytes: u16,
    sender: Side,
}

impl ChunkedDecoder {
    /// Decodes what `sender` sends.
    pub(crate) fn new(sender: Side) -> Self {
        Self { state: ChunkedState::Size(0), remaining: 0, trailer_bytes: 0, sender }
    }

    /// Decodes until data, the end of the body, or the end of `input`.
    pub(crate) fn step(&mut self, input: &[u8]) -> Result<ChunkedStep, ProtocolError> {
        for (at, &byte) in input.iter().enumerate() {
            if self.state == ChunkedState::Data {
                let rest = input.len() - at;
                let len = usize::try_from(self.remaining).map_or(rest, |left| left.min(rest));
                self.remaining -= len as u64;
                if self.remaining == 0 {
                    self.state = ChunkedState::DataCr;
                }
                return Ok(ChunkedStep::Data { skipped: at, len });
            }
            self.state = self.next(byte)?;
            if self.state == ChunkedState::Done {
                return Ok(ChunkedStep::End(at + 1));
            }
        }
        Ok(ChunkedStep::NeedMore)
    }

    fn next(&mut self, byte: u8) -> Result<ChunkedState, ProtocolError> {
        match (self.state, byte) {
            (ChunkedState::Size(digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < MAX_SIZE_DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                self.remaining = self.remaining << 4 | u64::from(digit);
                Ok(ChunkedState::Size(digits + 1))
            }
            (ChunkedState::Size(1..) | ChunkedState::Extension(2..), b'\r') => Ok(ChunkedState::SizeLf),
            // RFC 9112 §7.1.1 has no blanks here unless a `;` follows. In a request, the next server could read it in
            // another way; a response goes on in chunks of our own.
            (ChunkedState::SizeBws(_), b'\r') if self.sender == Side::Backend => Ok(ChunkedState::SizeLf),
            (ChunkedState::Size(1..) | ChunkedState::SizeBws(_), b';') => Ok(ChunkedState::Extension(1)),
            (ChunkedState::Size(1..), b' ' | b'\t') => Ok(ChunkedState::SizeBws(1)),
            (ChunkedState::SizeBws(n), b' ' | b'\t') if n < MAX_EXTENSION_BYTES => Ok(ChunkedState::SizeBws(n + 1)),
            (ChunkedState::Extension(n), b'\t' | b' '..=b'~' | 0x80..) if n < MAX_EXTENSION_BYTES => {
                Ok(ChunkedState::Extension(n + 1))
            }
            (ChunkedState::SizeLf, b'\n') if self.remaining == 0 => Ok(ChunkedState::TrailerStart),
            (ChunkedState::SizeLf, b'\n') => Ok(ChunkedState::Data),
            (ChunkedState::DataCr, b'\r') => Ok(ChunkedState::DataLf),
            (ChunkedState::DataLf, b'\n') => Ok(ChunkedState::Size(0)),
            (ChunkedState::EndLf, b'\n') => Ok(ChunkedState::Done),
            (ChunkedState::TrailerStart, b'\r') => Ok(ChunkedState::EndLf),
            (
                ChunkedState::TrailerStart
                | ChunkedState::TrailerName
                | ChunkedState::TrailerValue
                | ChunkedState::TrailerLf,
                _,
            ) => self.trailer(byte),
            _ => Err(ProtocolError::ChunkedCoding),
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<ChunkedState, ProtocolError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > MAX_TRAILER_BYTES {
            return Err(ProtocolError::Trailer);
        }
        match (self.state, byte) {
            (ChunkedState::TrailerStart | ChunkedState::TrailerName, _) if TCHAR.contains(byte) => {
                Ok(ChunkedState::TrailerName)
            }
            (ChunkedState::TrailerName, b':') | (ChunkedState::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => {
                Ok(ChunkedState::TrailerValue)
            }
            (ChunkedState::TrailerValue, b'\r') => Ok(ChunkedState::TrailerLf),
            (ChunkedState::TrailerLf, b'\n') => Ok(ChunkedState::TrailerStart),
            _ => Err(ProtocolError::Trailer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` from `sender` in pieces of `size`; returns the data and the length of the message.
    fn decode_from(sender: Side, input: &[u8], size: usize) -> Result<(Vec<u8>, Option<usize>), ProtocolError> {
        let (mut decoder, mut data, mut used) = (ChunkedDecoder::new(sender), Vec::new(), 0);
        for piece in input.chunks(size) {
            let mut rest = piece;
            loop {
                match decoder.step(rest)? {
                    ChunkedStep::Data { skipped, len } => {
                        data.extend_from_slice(&rest[skipped..skipped + len]);
                        used += skipped + len;
                        rest = &rest[skipped + len..];
                    }
                    ChunkedStep::End(n) => return Ok((data, Some(used + n))),
                    ChunkedStep::NeedMore => {
                        used += rest.len();
                        break;
                    }
                }
            }
        }
        Ok((data, None))
    }

    fn decode(input: &[u8], size: usize) -> Result<(Vec<u8>, Option<usize>), ProtocolError> {
        decode_from(Side::Client, input, size)
    }

    #[test]
    fn blanks_after_the_size_are_accepted_from_a_backend_only() {
        for body in ["5 \r\nhello\r\n0\r\n\r\n", "5\t  \r\nhello\r\n0 \t\r\n\r\n", "5     \r\nhello\r\n0\r\n\r\n"] {
            for size in [1, 3, body.len()] {
                let got = decode_from(Side::Backend, body.as_bytes(), size);
                assert_eq!(got, Ok((b"hello".to_vec(), Some(body.len()))), "{body:?}");
                assert_eq!(decode(body.as_bytes(), size), Err(ProtocolError::ChunkedCoding), "{body:?}");
            }
        }
        let endless = format!("5{}\r\nhello", " ".repeat(300));
        for bad in [" 5\r\nhello", "5 5\r\nhello", "5 \nhello", "5 \r\r\nhello", " \r\n", &endless] {
            assert_eq!(decode_from(Side::Backend, bad.as_bytes(), 1), Err(ProtocolError::ChunkedCoding), "{bad:?}");
        }
    }

    #[test]
    fn any_split_gives_the_same_data() {
        let body = b"5\r\nhello\r\n0A;name=\"v;x\"\r\n0123456789\r\n1 ;a\r\n!\r\n000\r\nX-Sum: 1\r\nY:\r\n\r\nGET /";
        for size in 1..body.len() {
            let (data, used) = decode(body, size).unwrap();
            assert_eq!(data, b"hello0123456789!");
            assert_eq!(used, Some(body.len() - 5), "split into {size}");
        }
    }

    #[test]
    fn malformed_framing_is_rejected() {
        for bad in [
            "\r\n",
            "g\r\n",
            "+5\r\nhello",
            "-1\r\n",
            "0x5\r\n",
            " 5\r\n",
            "5 \r\nhello",
            "5\nhello",
            "5\rhello",
            "5\r\nhelloX",
            "5\r\nhello\n",
            "5\r\nhello\r0",
            "12345678901234567\r\n",
            "5;\r\nhello",
            "5;a\nhello",
            "5;a\x01\r\n",
            "0\r\n\n",
            "0\r\nX\r\n\r\n",
            "0\r\n X: folded\r\n\r\n",
            "0\r\nX : 1\r\n\r\n",
            "0\r\nX: 1\n\r\n",
            "0\r\n\rX",
        ] {
            assert!(decode(bad.as_bytes(), 1).is_err(), "{bad:?}");
        }
        let long = format!("5;{}\r\nhello", "a".repeat(300));
        assert_eq!(decode(long.as_bytes(), 7), Err(ProtocolError::ChunkedCoding));
        let long = format!("0\r\nX: {}\r\n\r\n", "a".repeat(9000));
        assert_eq!(decode(long.as_bytes(), 4096), Err(ProtocolError::Trailer));
    }

    #[test]
    fn the_largest_size_does_not_overflow() {
        assert_eq!(decode(b"ffffffffffffffff\r\nab", 3), Ok((b"ab".to_vec(), None)));
    }
}
