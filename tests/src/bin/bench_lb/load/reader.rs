//! Finds the end of a response: bytes in, "incomplete" or "complete" out.
//!
//! It does no IO, so a test can split a response at every byte. A response is correct if its status is 200 and its body
//! has exactly the requested length; nothing else is checked.

use super::{chunked::Chunked, failure::Failure};

/// No server measured here sends a longer head.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The result of feeding a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedResult {
    Incomplete,
    /// The response ended with the piece. The server will close the connection, or keep it open.
    Complete {
        closes: bool,
    },
}

#[derive(Debug)]
enum State {
    Head,
    /// Bytes that have not arrived.
    Length(u64),
    Chunked(Chunked),
}

/// Reused for every response.
#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
    /// The part of a head that arrived without its end. A head usually comes complete and is never copied.
    buffered: Vec<u8>,
    closes: bool,
    /// The length that every body must have.
    expected: u64,
}

/// The framing of a body.
enum Framing {
    Length(u64),
    Chunked,
}

impl Reader {
    pub(crate) fn new(expected: u64) -> Self {
        Self { state: State::Head, buffered: Vec::new(), closes: false, expected }
    }

    /// Resets the state.
    pub(crate) fn begin(&mut self) {
        self.state = State::Head;
        self.buffered.clear();
        self.closes = false;
    }

    /// Takes the next piece.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<FeedResult, Failure> {
        if let State::Head = self.state {
            let Some(used) = self.head(bytes)? else { return Ok(FeedResult::Incomplete) };
            bytes = &bytes[used..];
        }
        let used = match &mut self.state {
            State::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= here as u64;
                (*left == 0).then_some(here)
            }
            State::Chunked(body) => {
                let end = body.feed(bytes)?;
                if body.body > self.expected || (end.is_some() && body.body < self.expected) {
                    return Err(Failure::Length);
                }
                end
            }
            State::Head => None,
        };
        match used {
            None => Ok(FeedResult::Incomplete),
            Some(used) if used < bytes.len() => Err(Failure::Length),
            Some(_) => Ok(FeedResult::Complete { closes: self.closes }),
        }
    }

    /// How many of `bytes` belong to the head; `None`: its end has not arrived.
    fn head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        let before = self.buffered.len();
        if before > 0 {
            self.buffered.extend_from_slice(bytes);
        }
        let text = if before > 0 { &self.buffered[..] } else { bytes };
        let Some(end) = end_of_head(text, before) else {
            if text.len() > MAX_HEAD_BYTES {
                return Err(Failure::Malformed);
            }
            if before == 0 {
                self.buffered.extend_from_slice(bytes);
            }
            return Ok(None);
        };
        let (framing, closes) = parse(&text[..end])?;
        self.closes = closes;
        self.state = match framing {
            Framing::Length(length) if length == self.expected => State::Length(length),
            Framing::Length(_) => return Err(Failure::Length),
            Framing::Chunked => State::Chunked(Chunked::new()),
        };
        // The bytes held had no end in them, so the end is in this piece.
        Ok(Some(end - before))
    }
}

/// The length of the head at the start of `text`, whose first `seen` bytes are known not to contain its end.
fn end_of_head(text: &[u8], seen: usize) -> Option<usize> {
    let from = seen.saturating_sub(3);
    text[from..].windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4)
}

/// The framing, and whether the server will close the connection.
fn parse(head: &[u8]) -> Result<(Framing, bool), Failure> {
    let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let status = lines.next().and_then(|line| line.strip_prefix(b"HTTP/1.1 ")).ok_or(Failure::Malformed)?;
    if !status.starts_with(b"200") {
        return Err(Failure::Status);
    }
    let (mut length, mut chunked, mut closes) = (None, false, false);
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|&byte| byte == b':').ok_or(Failure::Malformed)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // By length first, which rules out nearly all headers.
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let number = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                length = Some(number.ok_or(Failure::Malformed)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => chunked = value.eq_ignore_ascii_case(b"chunked"),
            10 if name.eq_ignore_ascii_case(b"connection") => closes = value.eq_ignore_ascii_case(b"close"),
            _ => {}
        }
    }
    match (length, chunked) {
        (Some(length), false) => Ok((Framing::Length(length), closes)),
        (None, true) => Ok((Framing::Chunked, closes)),
        _ => Err(Failure::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: &str = "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 5\r\n\r\nhello";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                           2;a=b\r\nhe\r\n003\r\nllo\r\n0\r\nA: b\r\n\r\n";

    fn read(pieces: &[&[u8]]) -> Result<FeedResult, Failure> {
        let mut reader = Reader::new(5);
        let mut fed = Ok(FeedResult::Incomplete);
        for piece in pieces {
            assert_eq!(fed, Ok(FeedResult::Incomplete), "whole, or failed, before its end");
            fed = reader.feed(piece);
        }
        fed
    }

    #[test]
    fn finds_the_end_wherever_the_response_is_cut() {
        for (text, closes) in [(LENGTH, false), (CHUNKED, true)] {
            let bytes = text.as_bytes();
            for at in 0..=bytes.len() {
                let halves = [&bytes[..at], &bytes[at..]];
                let pieces: Vec<_> = halves.into_iter().filter(|piece| !piece.is_empty()).collect();
                assert_eq!(read(&pieces), Ok(FeedResult::Complete { closes }), "{at}");
            }
            let one_by_one: Vec<_> = bytes.chunks(1).collect();
            assert_eq!(read(&one_by_one), Ok(FeedResult::Complete { closes }));
        }
    }

    #[test]
    fn response_cut_short_is_never_whole() {
        for text in [LENGTH, CHUNKED] {
            for at in 0..text.len() {
                assert_eq!(read(&[&text.as_bytes()[..at]]), Ok(FeedResult::Incomplete), "{at}");
            }
        }
    }

    #[test]
    fn reader_can_be_reused_for_the_next_response() {
        let mut reader = Reader::new(5);
        for text in [LENGTH, CHUNKED, LENGTH] {
            reader.begin();
            assert!(matches!(reader.feed(text.as_bytes()), Ok(FeedResult::Complete { .. })));
        }
    }

    #[test]
    fn tells_what_is_wrong() {
        let length = |value: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\nhello");
        let chunked = |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        for (text, failure) in [
            (LENGTH.replace("200 OK", "502 Bad Gateway"), Failure::Status),
            (LENGTH.replace("1.1", "1.0"), Failure::Malformed),
            (LENGTH.replace("content-length: 5", "X: y"), Failure::Malformed),
            (LENGTH.replace("Server: x", "Transfer-Encoding: chunked"), Failure::Malformed),
            (format!("{LENGTH}!"), Failure::Length),
            (length("4"), Failure::Length),
            (length("6"), Failure::Length),
            (length("five"), Failure::Malformed),
            (chunked("4\r\nhell\r\n0\r\n\r\n"), Failure::Length),
            (chunked("6\r\nhello!"), Failure::Length),
            (chunked("5\nhello"), Failure::Malformed),
            (chunked("5\r\nhello0\r\n\r\n"), Failure::Malformed),
            (chunked("\r\n"), Failure::Malformed),
            (chunked("00000000000000005\r\n"), Failure::Malformed),
            (format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(MAX_HEAD_BYTES)), Failure::Malformed),
        ] {
            assert_eq!(read(&[text.as_bytes()]), Err(failure), "{text:.80}");
        }
    }
}
