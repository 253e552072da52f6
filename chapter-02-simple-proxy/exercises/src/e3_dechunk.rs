//! Exercise 2.3: chunks that arrive as they like (an hour).
//!
//! **Contract.** [`decoder`] gives a [`Dechunk`]. The body is `size [;extension] CRLF data CRLF`, again and again, and
//! after a size of zero the trailer fields, each with CRLF, and an empty line. However the input is cut into pieces,
//! the data, the end and the errors are the same. A size is one to sixteen hex digits, with `;` or CR right behind
//! them: no sign, no blanks. Every line ends in CRLF; a bare LF or CR is malformed. Extensions are dropped, and so are
//! trailers, if each is `token:value`; neither may have control bytes but tab. What is never kept must still not go on
//! for ever: more than 256 bytes of extension behind one size, its `;` counted, are malformed, and so are more than
//! 8 KiB of trailers, with the CRLF of each but without the empty line. Nothing is set aside for a chunk before its
//! data is there.

use crate::contracts::{Dechunk, Malformed};

/// A decoder at the start of a body.
pub fn decoder() -> Decoder {
    Decoder { complete: false }
}

/// Reads chunks that arrive whole.
#[derive(Debug)]
pub struct Decoder {
    complete: bool,
}

impl Dechunk for Decoder {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let mut at = 0;
        while !self.complete && at < input.len() {
            let line = input[at..].iter().position(|byte| *byte == b'\n').ok_or(Malformed)?;
            let size = size(&input[at..at + line])?;
            at += line + 1;
            let end = at.checked_add(size).ok_or(Malformed)?;
            out.extend_from_slice(input.get(at..end).ok_or(Malformed)?);
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
fn size(line: &[u8]) -> Result<usize, Malformed> {
    let line = str::from_utf8(line).map_err(|_| Malformed)?;
    usize::from_str_radix(line.trim(), 16).map_err(|_| Malformed)
}
