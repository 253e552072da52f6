//! A body is decoded from one framing and encoded in another.
//!
//! The outgoing body is encoded from the decoded data, so a length stays a length, chunk boundaries follow our reads,
//! and extensions and trailers are dropped.

use super::chunked::{ChunkedDecoder, ChunkedStep};
use crate::http::{error::Side, protocol_error::ProtocolError};

/// How an incoming body is framed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BodyDecoder {
    /// By length: this many bytes remain.
    Length(u64),
    /// Chunked.
    Chunked(ChunkedDecoder),
    /// By the end of the connection (responses only, RFC 9112 §6.3 item 8).
    CloseDelimited,
}

/// How an outgoing body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEncoder {
    /// Unchanged: the length was announced, or the end of the connection is the end.
    Raw,
    /// In chunks.
    Chunked,
}

/// The result of [`BodyDecoder::reframe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reframed {
    /// Bytes of input that belong to the body: all of them, unless the body ended.
    pub(crate) consumed: usize,
    /// Bytes of data among them.
    pub(crate) data_len: u64,
    /// The body is complete, and so is the output.
    pub(crate) ended: bool,
}

impl BodyDecoder {
    /// Of a chunked body that `sender` sends.
    pub(crate) fn chunked(sender: Side) -> Self {
        Self::Chunked(ChunkedDecoder::new(sender))
    }

    /// `n` bytes of the body have gone past the decoder, as they are. Returns whether it has ended. A chunked body has to
    /// be decoded instead.
    pub(crate) fn skip(&mut self, n: u64) -> bool {
        let Self::Length(remaining) = self else { return false };
        debug_assert!(n <= *remaining, "bytes behind the body belong to the next message");
        *remaining -= n;
        *remaining == 0
    }

    /// Decodes `input` and appends its data to `out` in the framing of `encoder`.
    pub(crate) fn reframe(
        &mut self,
        input: &[u8],
        encoder: BodyEncoder,
        out: &mut Vec<u8>,
    ) -> Result<Reframed, ProtocolError> {
        match self {
            Self::Length(remaining) => {
                let consumed = usize::try_from(*remaining).map_or(input.len(), |remaining| remaining.min(input.len()));
                *remaining -= consumed as u64;
                let ended = *remaining == 0;
                encoder.encode(&input[..consumed], out);
                if ended {
                    encoder.finish(out);
                }
                Ok(Reframed { consumed, data_len: consumed as u64, ended })
            }
            Self::Chunked(decoder) => reframe_chunked(decoder, input, encoder, out),
            Self::CloseDelimited => {
                encoder.encode(input, out);
                Ok(Reframed { consumed: input.len(), data_len: input.len() as u64, ended: false })
            }
        }
    }
}

fn reframe_chunked(
    decoder: &mut ChunkedDecoder,
    input: &[u8],
    encoder: BodyEncoder,
    out: &mut Vec<u8>,
) -> Result<Reframed, ProtocolError> {
    let (mut consumed, mut data_len) = (0, 0);
    loop {
        let ended = match decoder.step(&input[consumed..])? {
            ChunkedStep::Data { skipped, len } => {
                let start = consumed + skipped;
                consumed = start + len;
                data_len += len as u64;
                encoder.encode(&input[start..consumed], out);
                continue;
            }
            ChunkedStep::End(used) => {
                consumed += used;
                encoder.finish(out);
                true
            }
            ChunkedStep::NeedMore => {
                consumed = input.len();
                false
            }
        };
        return Ok(Reframed { consumed, data_len, ended });
    }
}

impl BodyEncoder {
    fn encode(self, data: &[u8], out: &mut Vec<u8>) {
        if data.is_empty() {
            return; // an empty chunk would end the body
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

    /// Writes the end of a complete body. Never called for an incomplete one.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        if self == Self::Chunked {
            out.extend_from_slice(b"0\r\n\r\n");
        }
    }
}

/// Not `core::fmt`, which costs ten times as much, once per read.
fn put_hex(value: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - value.leading_zeros()).div_ceil(4).max(1);
    out.extend((0..digits).rev().map(|digit| b"0123456789abcdef"[value >> (4 * digit) & 0xf]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_re_encoded_and_extensions_dropped() {
        let mut out = Vec::new();
        let mut decoder = BodyDecoder::chunked(Side::Client);
        let reframed =
            decoder.reframe(b"3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\nGET", BodyEncoder::Chunked, &mut out).unwrap();
        assert_eq!(reframed, Reframed { consumed: 23, data_len: 3, ended: true });
        assert_eq!(out, b"3\r\nabc\r\n0\r\n\r\n");
    }

    #[test]
    fn a_length_body_consumes_exactly_its_length() {
        let mut out = Vec::new();
        let mut decoder = BodyDecoder::Length(3);
        let reframed = decoder.reframe(b"abcGET", BodyEncoder::Raw, &mut out).unwrap();
        assert_eq!((reframed.consumed, reframed.ended), (3, true));
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
