//! A body on its way through: decoded from one framing, encoded into another.
//!
//! What goes on is written anew from what was understood. So a length stays a length, chunks are cut
//! again where our reads happened to end, and extensions and trailers stay behind.

use super::chunked::{Decoder, Step};
use crate::http::protocol_error::Refusal;

/// How an incoming body ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BodyReader {
    /// After this many more bytes; zero is the end.
    Length(u64),
    /// Where the coding says.
    Chunked(Decoder),
    /// With the connection (responses only, RFC 9112 §6.3 item 8).
    UntilClose,
}

/// How an outgoing body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyWriter {
    /// As it is: the length was announced, or the end of the connection is the end.
    Plain,
    /// In chunks.
    Chunked,
}

/// What [`relay`](BodyReader::relay) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relayed {
    /// Bytes of input that belong to the body. All of them, unless it ended.
    pub(crate) consumed: usize,
    /// Bytes of data among them.
    pub(crate) data: u64,
    /// The body is whole, and so is what was written.
    pub(crate) ended: bool,
}

impl BodyReader {
    pub(crate) fn chunked() -> Self {
        Self::Chunked(Decoder::new())
    }

    /// Reads `input` and writes its data to `out` in the framing of `writer`.
    pub(crate) fn relay(&mut self, input: &[u8], writer: BodyWriter, out: &mut Vec<u8>) -> Result<Relayed, Refusal> {
        match self {
            Self::Length(left) => {
                let consumed = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= consumed as u64;
                let ended = *left == 0;
                writer.data(&input[..consumed], out);
                if ended {
                    writer.end(out);
                }
                Ok(Relayed { consumed, data: consumed as u64, ended })
            }
            Self::Chunked(decoder) => relay_chunked(decoder, input, writer, out),
            Self::UntilClose => {
                writer.data(input, out);
                Ok(Relayed { consumed: input.len(), data: input.len() as u64, ended: false })
            }
        }
    }
}

fn relay_chunked(
    decoder: &mut Decoder,
    input: &[u8],
    writer: BodyWriter,
    out: &mut Vec<u8>,
) -> Result<Relayed, Refusal> {
    let (mut consumed, mut data) = (0, 0);
    loop {
        let ended = match decoder.step(&input[consumed..])? {
            Step::Data { skipped, len } => {
                let start = consumed + skipped;
                consumed = start + len;
                data += len as u64;
                writer.data(&input[start..consumed], out);
                continue;
            }
            Step::End(used) => {
                consumed += used;
                writer.end(out);
                true
            }
            Step::More => {
                consumed = input.len();
                false
            }
        };
        return Ok(Relayed { consumed, data, ended });
    }
}

impl BodyWriter {
    fn data(self, data: &[u8], out: &mut Vec<u8>) {
        if data.is_empty() {
            return; // an empty chunk would be the last one
        }
        if self == Self::Chunked {
            put_hex(data.len(), out);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(data);
        if self == Self::Chunked {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Marks the end of a whole body. Never called for one that broke off.
    pub(crate) fn end(self, out: &mut Vec<u8>) {
        if self == Self::Chunked {
            out.extend_from_slice(b"0\r\n\r\n");
        }
    }
}

/// `core::fmt` would do; it costs ten times as much, once per read.
fn put_hex(value: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - value.leading_zeros()).div_ceil(4).max(1);
    out.extend((0..digits).rev().map(|digit| b"0123456789abcdef"[value >> (4 * digit) & 0xf]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunked_is_cut_again_and_extensions_stay_behind() {
        let mut out = Vec::new();
        let mut reader = BodyReader::Chunked(Decoder::new());
        let relayed = reader.relay(b"3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\nGET", BodyWriter::Chunked, &mut out).unwrap();
        assert_eq!(relayed, Relayed { consumed: 23, data: 3, ended: true });
        assert_eq!(out, b"3\r\nabc\r\n0\r\n\r\n");
    }

    #[test]
    fn length_takes_its_bytes_and_no_more() {
        let mut out = Vec::new();
        let mut reader = BodyReader::Length(3);
        let relayed = reader.relay(b"abcGET", BodyWriter::Plain, &mut out).unwrap();
        assert_eq!((relayed.consumed, relayed.ended), (3, true));
        assert_eq!(out, b"abc");
    }

    #[test]
    fn hex_has_no_leading_zero() {
        for value in [0usize, 1, 15, 16, 255, 256, 65_536, usize::MAX] {
            let mut out = Vec::new();
            put_hex(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{value:x}"));
        }
    }
}
