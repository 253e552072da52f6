//! Exercise 2.3, solved.
//!
//! A split can fall between any two bytes, so all that is known between two bytes has to be in the state: one `match`
//! on where we are and what comes says it all, and what it does not list is malformed. Only data is taken in one go.
//! The counters bound what an attacker can make us read for nothing.

use crate::contracts::{Dechunk, Malformed};

/// 16 hex digits fill a u64, so a size cannot overflow.
const MAX_DIGITS: u16 = 16;
const MAX_EXTENSION_BYTES: u16 = 256;
const MAX_TRAILER_BYTES: u16 = 8 * 1024;

/// Where the next byte falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the size, after this many digits.
    Size(u16),
    /// Behind the size, after this many bytes.
    Extension(u16),
    /// After the CR of the size line.
    SizeLf,
    /// In the data.
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer, or of the empty line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// After the CR of the empty line.
    EndLf,
    Complete,
    Broken,
}

/// A decoder at the start of a body.
pub fn decoder() -> Decoder {
    Decoder { state: State::Size(0), left: 0, trailer_bytes: 0 }
}

/// The state of one body: a few words, whatever its size.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The size that is being read, then the bytes of data that are still to come.
    left: u64,
    trailer_bytes: u16,
}

impl Dechunk for Decoder {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        if self.state == State::Broken {
            return Err(Malformed);
        }
        let mut at = 0;
        while at < input.len() && !self.is_complete() {
            if self.state == State::Data {
                at += self.take(&input[at..], out);
            } else {
                self.state = self.next(input[at]).unwrap_or(State::Broken);
                if self.state == State::Broken {
                    return Err(Malformed);
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
    /// Takes what `input` has of the current chunk's data.
    fn take(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let taken = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
        out.extend_from_slice(&input[..taken]);
        self.left -= taken as u64;
        if self.left == 0 {
            self.state = State::DataCr;
        }
        taken
    }

    /// The state after one byte that is not data; `None` if it has no place there.
    fn next(&mut self, byte: u8) -> Option<State> {
        use State::{Data, DataCr, DataLf, EndLf, Extension, Size, SizeLf, TrailerStart};
        match (self.state, byte) {
            (Size(digits), _) if byte.is_ascii_hexdigit() && digits < MAX_DIGITS => {
                self.left = self.left << 4 | u64::from(char::from(byte).to_digit(16)?);
                Some(Size(digits + 1))
            }
            (Size(1..) | Extension(_), b'\r') => Some(SizeLf),
            (Size(1..), b';') => Some(Extension(1)),
            (Extension(bytes), _) if is_text(byte) && bytes < MAX_EXTENSION_BYTES => Some(Extension(bytes + 1)),
            (SizeLf, b'\n') => Some(if self.left == 0 { TrailerStart } else { Data }),
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

/// Whether `byte` may stand in a name (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `byte` may stand in a value or an extension.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}
