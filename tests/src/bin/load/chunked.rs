//! The chunked coding (RFC 9112 §7.1), parsed piece by piece.

/// Sixteen hexadecimal digits fill a `u64`.
const MAX_SIZE_DIGITS: u8 = 16;

#[derive(Clone, Copy, Debug)]
enum State {
    Size { value: u64, digits: u8 },
    Extension,
    SizeLf { value: u64 },
    Chunk { left: u64 },
    ChunkCr,
    ChunkLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
}

/// The state of the parser.
#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    /// The size of the current chunk, while its line is read.
    size: u64,
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self { state: State::Size { value: 0, digits: 0 }, size: 0 }
    }

    /// Passes the body's bytes to `sink`. Returns how many of `bytes` belong to the body once it is complete; `None`:
    /// all of them do, and the body is not complete.
    pub(crate) fn read(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<Option<usize>, &'static str> {
        let mut at = 0;
        while at < bytes.len() {
            if let State::Chunk { left } = self.state {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                sink(&bytes[at..at + here]);
                at += here;
                let left = left - here as u64;
                self.state = if left == 0 { State::ChunkCr } else { State::Chunk { left } };
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

    /// One byte outside a chunk's data; true at the end of the last line.
    fn step(&mut self, byte: u8) -> Result<bool, &'static str> {
        self.state = match (self.state, byte) {
            (State::Size { value, digits }, _) => self.size_line(value, digits, byte)?,
            (State::Extension, b'\r') => State::SizeLf { value: self.size },
            (State::Extension, b'\n') => return Err("a chunk-size line without CR"),
            (State::Extension, _) => State::Extension,
            (State::SizeLf { value: 0 } | State::TrailerLf, b'\n') => State::TrailerStart,
            (State::SizeLf { value }, b'\n') => State::Chunk { left: value },
            (State::ChunkCr, b'\r') => State::ChunkLf,
            (State::ChunkLf, b'\n') => State::Size { value: 0, digits: 0 },
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerStart | State::Trailer, b'\n') => return Err("a trailer line without CR"),
            (State::TrailerStart | State::Trailer, _) => State::Trailer,
            (State::EndLf, b'\n') => return Ok(true),
            _ => return Err("a chunk that does not end in CRLF"),
        };
        Ok(false)
    }

    fn size_line(&mut self, value: u64, digits: u8, byte: u8) -> Result<State, &'static str> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            if digits == MAX_SIZE_DIGITS {
                return Err("a chunk size over 64 bits");
            }
            return Ok(State::Size { value: value << 4 | u64::from(digit), digits: digits + 1 });
        }
        self.size = value;
        match byte {
            _ if digits == 0 => Err("a chunk without a size"),
            b'\r' => Ok(State::SizeLf { value }),
            b';' | b' ' | b'\t' => Ok(State::Extension),
            _ => Err("a chunk size that is no hexadecimal number"),
        }
    }
}
