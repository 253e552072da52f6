//! Where a request's body ends. Its content is ignored.

use crate::request::Malformed;

/// The rest of a body, fed with its bytes in pieces of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// The number of bytes left.
    Length(u64),
    Chunked(Chunk),
}

/// The position of the next byte in the chunked coding (RFC 9112 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// In the size, with the value so far.
    Size(u64),
    /// After the size, before the end of its line.
    Extension(u64),
    /// In the data and the line end after it.
    Data(u64),
    /// In a line after the last chunk, and whether it is empty so far.
    Trailer {
        empty: bool,
    },
    Done,
}

impl Body {
    pub(crate) const EMPTY: Self = Self::Length(0);
    pub(crate) const CHUNKED: Self = Self::Chunked(Chunk::Size(0));

    pub(crate) fn is_done(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// Takes the bytes that belong to the body and returns their number.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match self {
            Self::Length(left) => Ok(skip(left, bytes.len())),
            Self::Chunked(chunk) => {
                let mut at = 0;
                while *chunk != Chunk::Done && at < bytes.len() {
                    at += chunk.take(&bytes[at..])?;
                }
                Ok(at)
            }
        }
    }
}

impl Chunk {
    /// Takes a byte, or a run of data. `bytes` is not empty.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        *self = match (*self, bytes[0]) {
            (Self::Data(mut left), _) => {
                let taken = skip(&mut left, bytes.len());
                *self = if left == 0 { Self::Size(0) } else { Self::Data(left) };
                return Ok(taken);
            }
            (Self::Size(size) | Self::Extension(size), b'\n') if size == 0 => Self::Trailer { empty: true },
            (Self::Size(size) | Self::Extension(size), b'\n') => Self::Data(size.checked_add(2).ok_or(Malformed)?),
            (Self::Size(size), digit) if digit.is_ascii_hexdigit() => {
                let digit = char::from(digit).to_digit(16).unwrap_or(0);
                Self::Size(size.checked_mul(16).ok_or(Malformed)? | u64::from(digit))
            }
            (Self::Size(size), b';' | b' ' | b'\t' | b'\r') | (Self::Extension(size), _) => Self::Extension(size),
            (Self::Size(_), _) => return Err(Malformed),
            (Self::Trailer { empty: true }, b'\n') => Self::Done,
            (Self::Trailer { .. }, b'\n') => Self::Trailer { empty: true },
            (Self::Trailer { empty }, b'\r') => Self::Trailer { empty },
            (Self::Trailer { .. }, _) => Self::Trailer { empty: false },
            (Self::Done, _) => return Ok(0),
        };
        Ok(1)
    }
}

/// Skips up to `left` of the available bytes, reduces `left`, and returns how many were skipped.
fn skip(left: &mut u64, there: usize) -> usize {
    let taken = usize::try_from(*left).map_or(there, |left| left.min(there));
    *left -= taken as u64;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of `size`; returns how many bytes the body took, if it ended.
    fn ends_at(mut body: Body, input: &[u8], size: usize) -> Result<Option<usize>, Malformed> {
        let mut used = 0;
        for piece in input.chunks(size) {
            used += body.take(piece)?;
            if body.is_done() {
                return Ok(Some(used));
            }
        }
        Ok(None)
    }

    #[test]
    fn finds_the_end_for_every_split() {
        for (body, input, end) in [
            (Body::Length(3), "abcdef", Some(3)),
            (Body::Length(7), "abcdef", None),
            (Body::CHUNKED, "0\r\n\r\nGET", Some(5)),
            (Body::CHUNKED, "3\r\nabc\r\n0\r\n\r\nGET", Some(13)),
            (Body::CHUNKED, "A;x=y\r\n0123456789\r\n00\r\n\r\n", Some(25)),
            (Body::CHUNKED, "1\r\na\r\n0\r\nX: y\r\n\r\nGET", Some(17)),
            (Body::CHUNKED, "3\r\nabc\r\n0\r\n", None),
        ] {
            for size in 1..=input.len() {
                assert_eq!(ends_at(body, input.as_bytes(), size), Ok(end), "{input:?} by {size}");
            }
        }
    }

    #[test]
    fn rejects_invalid_chunk_sizes() {
        for input in ["x\r\n", "-1\r\n", "FFFFFFFFFFFFFFFFF\r\n", "FFFFFFFFFFFFFFFF\r\n"] {
            assert_eq!(ends_at(Body::CHUNKED, input.as_bytes(), 64), Err(Malformed), "{input:?}");
        }
    }
}
