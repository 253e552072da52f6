//! Exercise 2.3, solved.
//!
//! The input may be split between any two bytes, so everything known between two bytes is in the state: one `match` on
//! the state and the next byte holds the grammar, and any pair that it does not list is malformed. Only chunk data is
//! copied in blocks. The counters bound the useless bytes that an attacker can make us read.

use crate::contracts::{ChunkedDecoder, MalformedBody};

/// 16 hex digits fill a u64, so a size cannot overflow.
const MAX_DIGITS: u16 = 16;
const MAX_EXTENSION_BYTES: u16 = 256;
const MAX_TRAILER_BYTES: u16 = 8 * 1024;

/// The position of the next byte in the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the chunk size, after this many digits.
    Size(u16),
    /// In the chunk extension, after this many bytes.
    Extension(u16),
    /// After the CR of the size line.
    SizeLf,
    /// In the chunk data.
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer, or of the final empty line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// After the CR of the final empty line.
    EndLf,
    Complete,
    Broken,
}

/// A decoder for a new body.
pub fn decoder() -> Decoder {
    Decoder { state: State::Size(0), remaining: 0, trailer_bytes: 0 }
}

/// The state of one body: a few machine words, whatever the body's size.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The chunk size while it is read, then the bytes of chunk data that are still to come.
    remaining: u64,
    trailer_bytes: u16,
}

impl ChunkedDecoder for Decoder {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, MalformedBody> {
        if self.state == State::Broken {
            return Err(MalformedBody);
        }
        let mut at = 0;
        while at < input.len() && !self.is_complete() {
            if self.state == State::Data {
                at += self.take(&input[at..], out);
            } else {
                self.state = self.next(input[at]).unwrap_or(State::Broken);
                if self.state == State::Broken {
                    return Err(MalformedBody);
                }
                at += 1;
            }
        }
        Ok(at)
    }

    fn is_complete(&self) -> bool {
        self.state == State::Complete
    }
}

impl Decoder {
    /// Copies the current chunk's data from `input` to `out`; returns how many bytes that were.
    fn take(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let taken = usize::try_from(self.remaining).map_or(input.len(), |remaining| remaining.min(input.len()));
        out.extend_from_slice(&input[..taken]);
        self.remaining -= taken as u64;
        if self.remaining == 0 {
            self.state = State::DataCr;
        }
        taken
    }

    /// The state after one byte that is not chunk data; `None` if the byte is malformed there.
    fn next(&mut self, byte: u8) -> Option<State> {
        use State::{Data, DataCr, DataLf, EndLf, Extension, Size, SizeLf, TrailerStart};
        match (self.state, byte) {
            (Size(digits), _) if byte.is_ascii_hexdigit() && digits < MAX_DIGITS => {
                self.remaining = self.remaining << 4 | u64::from(char::from(byte).to_digit(16)?);
                Some(Size(digits + 1))
            }
            (Size(1..) | Extension(_), b'\r') => Some(SizeLf),
            (Size(1..), b';') => Some(Extension(1)),
            (Extension(bytes), _) if is_text(byte) && bytes < MAX_EXTENSION_BYTES => Some(Extension(bytes + 1)),
            (SizeLf, b'\n') => Some(if self.remaining == 0 { TrailerStart } else { Data }),
            (DataCr, b'\r') => Some(DataLf),
            (DataLf, b'\n') => Some(Size(0)),
            (TrailerStart, b'\r') => Some(EndLf),
            (EndLf, b'\n') => Some(State::Complete),
            _ => self.next_of_trailer(byte),
        }
    }

    fn next_of_trailer(&mut self, byte: u8) -> Option<State> {
        use State::{TrailerLf, TrailerName, TrailerStart, TrailerValue};
        self.trailer_bytes += 1;
        if self.trailer_bytes > MAX_TRAILER_BYTES {
            return None;
        }
        match (self.state, byte) {
            (TrailerStart | TrailerName, _) if is_token(byte) => Some(TrailerName),
            (TrailerName, b':') => Some(TrailerValue),
            (TrailerValue, _) if is_text(byte) => Some(TrailerValue),
            (TrailerValue, b'\r') => Some(TrailerLf),
            (TrailerLf, b'\n') => Some(TrailerStart),
            _ => None,
        }
    }
}

/// Whether `byte` is allowed in a name (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `byte` is allowed in a value or an extension.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}
