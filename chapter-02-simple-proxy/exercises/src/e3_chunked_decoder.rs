//! Exercise 2.3: incremental chunked decoder (an hour).
//!
//! **Contract.** [`decoder`] returns a [`ChunkedDecoder`]. The body is `size [;extension] CRLF data CRLF`, repeated,
//! and after a size of zero the trailers, each with CRLF, and an empty line. However the input is split, the data, the
//! end and the errors are the same. A size is one to sixteen hex digits, directly followed by `;` or CR: no sign, no
//! spaces. Every line ends in CRLF; a bare LF or CR is malformed. Extensions are discarded, and so are trailers, if
//! each is `token:value`; neither may contain control bytes except tab. Discarded bytes are limited, too: more than 256
//! bytes of extension after one size, including its `;`, are malformed, and so are more than 8 KiB of trailers, with
//! the CRLF of each but without the empty line. No memory is allocated for a chunk before its data arrives.

use crate::contracts::{ChunkedDecoder, MalformedBody};

/// A decoder for a new body.
pub fn decoder() -> Decoder {
    Decoder { complete: false }
}

/// Decodes chunks that arrive complete.
#[derive(Debug)]
pub struct Decoder {
    complete: bool,
}

impl ChunkedDecoder for Decoder {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, MalformedBody> {
        let mut at = 0;
        while !self.complete && at < input.len() {
            let line = input[at..].iter().position(|byte| *byte == b'\n').ok_or(MalformedBody)?;
            let size = size(&input[at..at + line])?;
            at += line + 1;
            let end = at.checked_add(size).ok_or(MalformedBody)?;
            out.extend_from_slice(input.get(at..end).ok_or(MalformedBody)?);
            at = input.len().min(end + 2);
            self.complete = size == 0;
        }
        Ok(at)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}

/// The number at the start of a chunk.
fn size(line: &[u8]) -> Result<usize, MalformedBody> {
    let line = str::from_utf8(line).map_err(|_| MalformedBody)?;
    usize::from_str_radix(line.trim(), 16).map_err(|_| MalformedBody)
}
