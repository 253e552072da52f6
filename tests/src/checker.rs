//! A strict HTTP/1.1 message reader, written from RFC 9112 and independent of the product.
//!
//! Every message that a backend or a client receives goes through it, so a balancer that repairs,
//! invents or loses a byte is caught by a parser other than its own. It accepts only what a careful
//! sender generates: CRLF, one framing, no folding, no stray whitespace.

use std::io::{self, Read};

mod fault;
mod fields;
mod head;

pub use fault::Fault;
pub use fields::Fields;
pub use head::{Framing, RequestHead, ResponseHead};

use fault::malformed;

/// Longer than any valid head here: a head without an end must not fill the memory.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// The summary of a body that was read to its end.
#[derive(Debug, Default, Clone)]
pub struct BodyEnd {
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
    pub fn held(&self) -> &[u8] {
        &self.held[self.at..]
    }

    /// Takes the [`held`](Self::held) bytes: the first ones of a tunnel.
    pub fn take_held(&mut self) -> Vec<u8> {
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
    pub fn request_head(&mut self) -> Result<RequestHead, Fault> {
        let line = self.start_line("request line")?;
        RequestHead::parse(&line, self.fields("request head")?)
    }

    /// Reads one response head, interim or final.
    pub fn response_head(&mut self) -> Result<ResponseHead, Fault> {
        let line = self.start_line("status line")?;
        ResponseHead::parse(&line, self.fields("response head")?)
    }

    /// Reads a body to its end, giving each piece to `sink` as it arrives.
    pub fn body(&mut self, framing: Framing, sink: &mut dyn FnMut(&[u8])) -> Result<BodyEnd, Fault> {
        let mut end = BodyEnd::default();
        match framing {
            Framing::None => {}
            Framing::Length(length) => {
                self.exactly(length, sink, "body with a length")?;
                end.length = length;
            }
            Framing::Chunked => self.chunks(&mut end, sink)?,
            Framing::UntilClose => loop {
                end.length += self.held().len() as u64;
                sink(self.held());
                self.at = self.held.len();
                if self.fill()? == 0 {
                    break;
                }
            },
        }
        Ok(end)
    }

    fn chunks(&mut self, end: &mut BodyEnd, sink: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
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
                return Err(Fault::Malformed("chunk data is not followed by CRLF".into()));
            }
            end.chunks += 1;
            end.length += size;
        }
    }

    fn exactly(&mut self, mut left: u64, sink: &mut dyn FnMut(&[u8]), inside: &'static str) -> Result<(), Fault> {
        while left > 0 {
            if self.held().is_empty() && self.fill()? == 0 {
                return Err(Fault::Truncated(inside));
            }
            let take = self.held().len().min(usize::try_from(left).unwrap_or(usize::MAX));
            sink(&self.held()[..take]);
            self.at += take;
            left -= take as u64;
        }
        Ok(())
    }

    fn start_line(&mut self, what: &'static str) -> Result<Vec<u8>, Fault> {
        if self.held().is_empty() && self.fill()? == 0 {
            return Err(Fault::Closed);
        }
        self.line(what)
    }

    fn fields(&mut self, inside: &'static str) -> Result<Fields, Fault> {
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
    fn line(&mut self, inside: &'static str) -> Result<Vec<u8>, Fault> {
        let mut scanned = 0;
        loop {
            if let Some(offset) = self.held()[scanned..].iter().position(|&b| b == b'\n') {
                let line = self.held()[..scanned + offset].to_vec();
                self.at += line.len() + 1;
                return match line.split_last() {
                    Some((b'\r', text)) if !text.contains(&b'\r') => Ok(text.to_vec()),
                    _ => Err(malformed("a line ends in CRLF and holds no other CR", &line)),
                };
            }
            scanned = self.held().len();
            if scanned > MAX_HEAD_BYTES {
                return Err(malformed("a line without an end", self.held()));
            }
            if self.fill()? == 0 {
                return Err(Fault::Truncated(inside));
            }
        }
    }
}

/// Reads one whole request from recorded bytes: head, body, and nothing after it.
pub fn whole_request(bytes: &[u8]) -> Result<(RequestHead, Vec<u8>, BodyEnd), Fault> {
    let mut reader = Reader::new(bytes);
    let head = reader.request_head()?;
    let mut body = Vec::new();
    let end = reader.body(head.framing, &mut |piece| body.extend_from_slice(piece))?;
    if reader.fill()? > 0 || !reader.held().is_empty() {
        return Err(malformed("bytes after the request", reader.held()));
    }
    Ok((head, body, end))
}

#[cfg(test)]
mod tests;
