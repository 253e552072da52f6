//! A strict HTTP/1.1 message reader, written from RFC 9112 and independent of the product.
//!
//! Every message that a backend or a client receives goes through it, so a balancer that repairs,
//! invents or loses a byte is caught by a parser other than its own. It accepts only what a careful
//! sender generates: CRLF, one framing, no folding, no stray whitespace.

use std::io::{self, Read};

mod fields;
mod head;
mod read_error;

pub use fields::Fields;
pub use head::{Framing, RequestHead, ResponseHead};
pub use read_error::ReadError;

use read_error::malformed;

/// Longer than any valid head here: a head without an end must not fill the memory.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// The summary of a body that was read to its end.
#[derive(Debug, Default, Clone)]
pub struct BodySummary {
    /// Bytes of content, without chunk framing.
    pub length: u64,
    /// Chunks received, without the last (empty) one.
    pub chunks: u64,
    /// Whether a chunk carried an extension.
    pub extensions: bool,
    /// Fields after the last chunk.
    pub trailers: Fields,
}

/// Reads messages, one after another, from a byte source.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    held: Vec<u8>,
    at: usize,
}

impl<R: Read> Reader<R> {
    /// A reader with nothing read so far.
    pub fn new(source: R) -> Self {
        Self { source, held: Vec::new(), at: 0 }
    }

    /// Bytes that have arrived but belong to no message read so far.
    pub fn buffered(&self) -> &[u8] {
        &self.held[self.at..]
    }

    /// Takes the [`buffered`](Self::buffered) bytes: the first ones of a tunnel.
    pub fn take_buffered(&mut self) -> Vec<u8> {
        let rest = self.held.split_off(self.at);
        self.held.clear();
        self.at = 0;
        rest
    }

    /// Waits for more bytes and buffers them; 0 is the end of the stream.
    pub fn fill(&mut self) -> io::Result<usize> {
        self.held.drain(..self.at);
        self.at = 0;
        let mut room = [0; 16 * 1024];
        let got = self.source.read(&mut room)?;
        self.held.extend_from_slice(&room[..got]);
        Ok(got)
    }

    /// Reads one request head. No empty line may precede it: the product sends none.
    pub fn request_head(&mut self) -> Result<RequestHead, ReadError> {
        let line = self.start_line("request line")?;
        RequestHead::parse(&line, self.fields("request head")?)
    }

    /// Reads one response head, interim or final.
    pub fn response_head(&mut self) -> Result<ResponseHead, ReadError> {
        let line = self.start_line("status line")?;
        ResponseHead::parse(&line, self.fields("response head")?)
    }

    /// Reads a body to its end, giving each piece to `sink` as it arrives.
    pub fn body(&mut self, framing: Framing, sink: &mut dyn FnMut(&[u8])) -> Result<BodySummary, ReadError> {
        let mut end = BodySummary::default();
        match framing {
            Framing::None => {}
            Framing::Length(length) => {
                self.exactly(length, sink, "body with a length")?;
                end.length = length;
            }
            Framing::Chunked => self.chunks(&mut end, sink)?,
            Framing::UntilClose => loop {
                end.length += self.buffered().len() as u64;
                sink(self.buffered());
                self.at = self.held.len();
                if self.fill()? == 0 {
                    break;
                }
            },
        }
        Ok(end)
    }

    fn chunks(&mut self, end: &mut BodySummary, sink: &mut dyn FnMut(&[u8])) -> Result<(), ReadError> {
        loop {
            let line = self.line("chunk size")?;
            let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
            let (size, extension) = line.split_at(digits);
            if digits == 0 || digits > 16 || !(extension.is_empty() || extension[0] == b';') {
                return Err(malformed("chunk size", &line));
            }
            end.extensions |= !extension.is_empty();
            let size = str::from_utf8(size)
                .ok()
                .and_then(|hex| u64::from_str_radix(hex, 16).ok())
                .ok_or_else(|| malformed("chunk size", &line))?;
            if size == 0 {
                end.trailers = self.fields("trailer section")?;
                return Ok(());
            }
            self.exactly(size, sink, "chunk")?;
            if !self.line("end of a chunk")?.is_empty() {
                return Err(ReadError::Malformed("chunk data is not followed by CRLF".into()));
            }
            end.chunks += 1;
            end.length += size;
        }
    }

    fn exactly(&mut self, mut left: u64, sink: &mut dyn FnMut(&[u8]), inside: &'static str) -> Result<(), ReadError> {
        while left > 0 {
            if self.buffered().is_empty() && self.fill()? == 0 {
                return Err(ReadError::Truncated(inside));
            }
            let take = self.buffered().len().min(usize::try_from(left).unwrap_or(usize::MAX));
            sink(&self.buffered()[..take]);
            self.at += take;
            left -= take as u64;
        }
        Ok(())
    }

    fn start_line(&mut self, what: &'static str) -> Result<Vec<u8>, ReadError> {
        if self.buffered().is_empty() && self.fill()? == 0 {
            return Err(ReadError::Closed);
        }
        self.line(what)
    }

    fn fields(&mut self, inside: &'static str) -> Result<Fields, ReadError> {
        let mut fields = Fields::default();
        loop {
            let line = self.line(inside)?;
            if line.is_empty() {
                return Ok(fields);
            }
            fields.push_line(&line)?;
        }
    }

    /// One line without its CRLF; a CR or LF on its own is an error.
    fn line(&mut self, inside: &'static str) -> Result<Vec<u8>, ReadError> {
        let mut scanned = 0;
        loop {
            if let Some(offset) = self.buffered()[scanned..].iter().position(|&b| b == b'\n') {
                let line = self.buffered()[..scanned + offset].to_vec();
                self.at += line.len() + 1;
                return match line.split_last() {
                    Some((b'\r', text)) if !text.contains(&b'\r') => Ok(text.to_vec()),
                    _ => Err(malformed("a line ends in CRLF and holds no other CR", &line)),
                };
            }
            scanned = self.buffered().len();
            if scanned > MAX_HEAD_BYTES {
                return Err(malformed("a line without an end", self.buffered()));
            }
            if self.fill()? == 0 {
                return Err(ReadError::Truncated(inside));
            }
        }
    }
}

/// Parses recorded bytes that must be exactly one request: head, body, and nothing after it.
pub fn single_request(bytes: &[u8]) -> Result<(RequestHead, Vec<u8>, BodySummary), ReadError> {
    let mut reader = Reader::new(bytes);
    let head = reader.request_head()?;
    let mut body = Vec::new();
    let end = reader.body(head.framing, &mut |piece| body.extend_from_slice(piece))?;
    if reader.fill()? > 0 || !reader.buffered().is_empty() {
        return Err(malformed("bytes after the request", reader.buffered()));
    }
    Ok((head, body, end))
}

#[cfg(test)]
mod tests;
