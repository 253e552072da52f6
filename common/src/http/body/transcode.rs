//! A body on its way through: decoded from one framing, encoded into another.
//!
//! What goes on is written anew from what was understood. So a length stays a length, chunks are cut
//! again where our reads happened to end, and extensions and trailers stay behind.

use super::chunked::{ChunkedDecoder, ChunkedStep};
use crate::http::protocol_error::ProtocolError;

/// How an incoming body ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BodyDecoder {
    /// After this many more bytes; zero is the end.
    Length(u64),
    /// Where the coding says.
    Chunked(ChunkedDecoder),
    /// With the connection (responses only, RFC 9112 §6.3 item 8).
    CloseDelimited,
}

/// How an outgoing body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEncoder {
    /// As it is: the length was announced, or the end of the connection is the end.
    Raw,
    /// In chunks.
    Chunked,
}

/// What [`relay`](BodyReader::relay) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transcoded {
    /// Bytes of input that belong to the body. All of them, unless it ended.
    pub(crate) consumed: usize,
    /// Bytes of data among them.
    pub(crate) data_len: u64,
    /// The body is whole, and so is what was written.
    pub(crate) ended: bool,
}

impl BodyDecoder {
    pub(crate) fn chunked() -> Self {
        Self::Chunked(ChunkedDecoder::new())
    }

    /// Reads `input` and writes its data to `out` in the framing of `writer`.
    pub(crate) fn transcode(
        &mut self,
        input: &[u8],
        writer: BodyEncoder,
        out: &mut Vec<u8>,
    ) -> Result<Transcoded, ProtocolError> {
        match self {
            Self::Length(left) => {
                let consumed = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= consumed as u64;
                let ended = *left == 0;
                writer.encode(&input[..consumed], out);
                if ended {
                    writer.finish(out);
                }
                Ok(Transcoded { consumed, data_len: consumed as u64, ended })
            }
            Self::Chunked(decoder) => transcode_chunked(decoder, input, writer, out),
            Self::CloseDelimited => {
                writer.encode(input, out);
                Ok(Transcoded { consumed: input.len(), data_len: input.len() as u64, ended: false })
            }
        }
    }
}

fn transcode_chunked(
    decoder: &mut ChunkedDecoder,
    input: &[u8],
    writer: BodyEncoder,
    out: &mut Vec<u8>,
) -> Result<Transcoded, ProtocolError> {
    let (mut consumed, mut data_len) = (0, 0);
    loop {
        let ended = match decoder.step(&input[consumed..])? {
            ChunkedStep::Data { skipped, len } => {
                let start = consumed + skipped;
                consumed = start + len;
                data_len += len as u64;
                writer.encode(&input[start..consumed], out);
                continue;
            }
            ChunkedStep::End(used) => {
                consumed += used;
                writer.finish(out);
                true
            }
            ChunkedStep::NeedMore => {
                consumed = input.len();
                false
            }
        };
        return Ok(Transcoded { consumed, data_len, ended });
    }
}

impl BodyEncoder {
    fn encode(self, data: &[u8], out: &mut Vec<u8>) {
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
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
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
        let mut reader = BodyDecoder::Chunked(ChunkedDecoder::new());
        let relayed =
            reader.transcode(b"3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\nGET", BodyEncoder::Chunked, &mut out).unwrap();
        assert_eq!(relayed, Transcoded { consumed: 23, data_len: 3, ended: true });
        assert_eq!(out, b"3\r\nabc\r\n0\r\n\r\n");
    }

    #[test]
    fn length_takes_its_bytes_and_no_more() {
        let mut out = Vec::new();
        let mut reader = BodyDecoder::Length(3);
        let relayed = reader.transcode(b"abcGET", BodyEncoder::Raw, &mut out).unwrap();
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
