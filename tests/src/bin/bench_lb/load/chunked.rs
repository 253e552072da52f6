//! Finds the end of a chunked body (RFC 9112 §7.1), however it is split into reads.

use super::failure::Failure;

#[derive(Clone, Copy, Debug)]
enum State {
    Size { digits: u8 },
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    LineStart,
    Trailer,
    TrailerLf,
    EndLf,
}

/// Counts the data of the chunks and finds their end; buffers nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunked {
    state: State,
    /// Of the current chunk: its size while that is parsed, then the bytes still to come.
    left: u64,
    /// Data seen so far, in bytes.
    pub(crate) body: u64,
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self { state: State::Size { digits: 0 }, left: 0, body: 0 }
    }

    /// How many of `bytes` belong to the body, once it is complete; `None`: all of them, and the body is not complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        let mut at = 0;
        while at < bytes.len() {
            if let State::Data = self.state {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - at);
                at += here;
                self.left -= here as u64;
                self.body += here as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            let ended = self.step(bytes[at])?;
            at += 1;
            if ended {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Parses one byte outside the data; true for the last one.
    fn step(&mut self, byte: u8) -> Result<bool, Failure> {
        self.state = match (self.state, byte) {
            (State::Size { digits }, _) => self.size(digits, byte)?,
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, _) if byte != b'\n' => State::Extension,
            (State::SizeLf, b'\n') if self.left == 0 => State::LineStart,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0 },
            (State::LineStart, b'\r') => State::EndLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::LineStart | State::Trailer, _) if byte != b'\n' => State::Trailer,
            (State::TrailerLf, b'\n') => State::LineStart,
            (State::EndLf, b'\n') => return Ok(true),
            _ => return Err(Failure::Malformed),
        };
        Ok(false)
    }

    fn size(&mut self, digits: u8, byte: u8) -> Result<State, Failure> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            // Sixteen digits fill a `u64`.
            if digits == 16 {
                return Err(Failure::Malformed);
            }
            let before = if digits == 0 { 0 } else { self.left };
            self.left = before << 4 | u64::from(digit);
            return Ok(State::Size { digits: digits + 1 });
        }
        match byte {
            _ if digits == 0 => Err(Failure::Malformed),
            b'\r' => Ok(State::SizeLf),
            b';' | b' ' | b'\t' => Ok(State::Extension),
            _ => Err(Failure::Malformed),
        }
    }
}
