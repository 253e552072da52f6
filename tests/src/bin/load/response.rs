//! Parses one response from the pieces that the network delivers: bytes in, the body's bytes out.
//!
//! It does no IO, so a test can split a response at every byte. The invariant: [`FeedResult::Complete`] is returned
//! exactly where the framing ends, never for a truncated message.

use crate::{
    chunked::Chunked,
    failure::Failure,
    head::{Framing, Head, MAX_HEAD_BYTES},
};

/// The result of feeding a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedResult {
    Incomplete,
    /// The response ended after `used` bytes of the piece.
    Complete {
        used: usize,
    },
}

#[derive(Debug)]
enum Stage {
    Head,
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

/// Reused for every response.
#[derive(Debug)]
pub(crate) struct ResponseReader {
    stage: Stage,
    to_head: bool,
    /// The part of a head that arrived without its end. A head usually comes complete and is never copied.
    held: Vec<u8>,
    started: bool,
    /// From the final head, once it is parsed.
    pub(crate) status: u16,
    pub(crate) keep_alive: bool,
    pub(crate) server_id: Vec<u8>,
}

impl ResponseReader {
    /// `to_head`: the responses answer HEAD requests and have no body.
    pub(crate) fn new(to_head: bool) -> Self {
        Self {
            stage: Stage::Head,
            to_head,
            held: Vec::new(),
            started: false,
            status: 0,
            keep_alive: false,
            server_id: Vec::new(),
        }
    }

    /// Resets the state for the next response.
    pub(crate) fn begin(&mut self) {
        self.stage = Stage::Head;
        self.held.clear();
        self.started = false;
        self.status = 0;
        self.keep_alive = false;
        self.server_id.clear();
    }

    /// Takes the next piece and passes its body bytes to `sink`.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<FeedResult, Failure> {
        self.started |= !bytes.is_empty();
        let mut at = 0;
        while let Stage::Head = self.stage {
            let Some((framing, used)) = self.head(&bytes[at..])? else { return Ok(FeedResult::Incomplete) };
            at += used;
            self.stage = match framing {
                // An interim response: the final one is still to come.
                _ if self.status < 200 && self.status != 101 => continue,
                Framing::None | Framing::Length(0) => return Ok(FeedResult::Complete { used: at }),
                Framing::Length(length) => Stage::Length(length),
                Framing::Chunked => Stage::Chunked(Chunked::new()),
                Framing::UntilClose => Stage::UntilClose,
            };
        }
        self.body(bytes, at, sink)
    }

    /// The peer closed. A body delimited by the close is complete now; nothing else is.
    pub(crate) fn eof(&self) -> Result<(), Failure> {
        match self.stage {
            Stage::UntilClose => Ok(()),
            _ if self.started => Err(Failure::Truncated),
            _ => Err(Failure::ClosedUnanswered),
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Result<Option<(Framing, usize)>, Failure> {
        let before = self.held.len();
        let read = if before == 0 {
            Head::read(bytes, self.to_head)
        } else {
            self.held.extend_from_slice(bytes);
            Head::read(&self.held, self.to_head)
        };
        let Some((head, length)) = read.map_err(Failure::Malformed)? else {
            if before == 0 {
                self.held.extend_from_slice(bytes);
            }
            if self.held.len() > MAX_HEAD_BYTES {
                return Err(Failure::Malformed("a head without an end"));
            }
            return Ok(None);
        };
        let text = if before == 0 { bytes } else { &self.held };
        self.server_id.clear();
        self.server_id.extend_from_slice(&text[head.server_id]);
        self.status = head.status;
        self.keep_alive = head.keep_alive;
        self.held.clear();
        // The bytes held had no end in them, so the head ends within this piece.
        Ok(Some((head.framing, length - before)))
    }

    fn body(&mut self, bytes: &[u8], at: usize, sink: &mut impl FnMut(&[u8])) -> Result<FeedResult, Failure> {
        let rest = &bytes[at..];
        match &mut self.stage {
            Stage::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                sink(&rest[..here]);
                *left -= here as u64;
                Ok(if *left == 0 { FeedResult::Complete { used: at + here } } else { FeedResult::Incomplete })
            }
            Stage::Chunked(coding) => {
                let end = coding.read(rest, sink).map_err(Failure::Malformed)?;
                Ok(end.map_or(FeedResult::Incomplete, |used| FeedResult::Complete { used: at + used }))
            }
            Stage::UntilClose | Stage::Head => {
                sink(rest);
                Ok(FeedResult::Incomplete)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Server-ID: b1\r\n\r\nhello";
    const INTERIM: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Server-ID: b1\r\n\r\n\
                           2\r\nhe\r\n003 ;a=b\r\nllo\r\n0\r\nSum: 1\r\n\r\n";

    /// Feeds the pieces; returns the body and whether the response was complete exactly at the end.
    fn read(pieces: &[&[u8]]) -> Result<(String, ResponseReader), Failure> {
        let mut reader = ResponseReader::new(false);
        reader.begin();
        let mut body = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            let fed = reader.feed(piece, &mut |bytes| body.extend_from_slice(bytes))?;
            let last = pieces[index + 1..].iter().all(|piece| piece.is_empty());
            match fed {
                FeedResult::Complete { used } => assert!(last && used == piece.len(), "whole too early"),
                FeedResult::Incomplete => assert!(!last, "not whole at the end"),
            }
            if last {
                break;
            }
        }
        Ok((String::from_utf8(body).unwrap(), reader))
    }

    #[test]
    fn reads_the_same_response_split_at_every_byte() {
        for text in [LENGTH.to_owned(), CHUNKED.to_owned(), format!("{INTERIM}{LENGTH}")] {
            let bytes = text.as_bytes();
            let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
            let halves = (0..bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]);
            for pieces in halves.chain([one_by_one]) {
                let (body, reader) = read(&pieces).unwrap();
                assert_eq!(body, "hello", "{pieces:?}");
                assert_eq!((reader.status, reader.server_id.as_slice()), (200, b"b1".as_slice()));
                assert!(reader.keep_alive);
            }
        }
    }

    #[test]
    fn response_cut_at_any_byte_is_never_whole() {
        for text in [LENGTH, CHUNKED] {
            for cut in 0..text.len() {
                let mut reader = ResponseReader::new(false);
                reader.begin();
                assert_eq!(reader.feed(&text.as_bytes()[..cut], &mut |_| ()), Ok(FeedResult::Incomplete), "{cut}");
                let kind = if cut == 0 { Failure::ClosedUnanswered } else { Failure::Truncated };
                assert_eq!(reader.eof(), Err(kind), "{cut}");
            }
        }
    }

    #[test]
    fn bytes_after_the_end_are_left_over() {
        let mut reader = ResponseReader::new(false);
        reader.begin();
        let bytes = format!("{LENGTH}HTTP");
        assert_eq!(reader.feed(bytes.as_bytes(), &mut |_| ()), Ok(FeedResult::Complete { used: LENGTH.len() }));
    }

    #[test]
    fn body_until_close_is_whole_at_the_end_of_the_connection() {
        let mut reader = ResponseReader::new(false);
        reader.begin();
        let mut body = Vec::new();
        let fed = reader.feed(b"HTTP/1.0 200 OK\r\n\r\nhello", &mut |bytes| body.extend_from_slice(bytes));
        assert_eq!((fed, reader.eof(), reader.keep_alive), (Ok(FeedResult::Incomplete), Ok(()), false));
        assert_eq!(body, b"hello");
    }

    #[test]
    fn malformed_chunks_are_refused() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for coding in ["\r\n", "g\r\n", "-1\r\n", "2\nhe", "2\r\nhexx", "2;a\nhe", "11111111111111111\r\n", "0\r\n\n"] {
            let mut reader = ResponseReader::new(false);
            reader.begin();
            let fed = reader.feed(format!("{head}{coding}").as_bytes(), &mut |_| ());
            assert!(matches!(fed, Err(Failure::Malformed(_))), "{coding:?}: {fed:?}");
        }
    }

    #[test]
    fn head_without_an_end_is_refused() {
        let mut reader = ResponseReader::new(false);
        reader.begin();
        let mut fed = reader.feed(b"HTTP/1.1 200 OK\r\nX: ", &mut |_| ());
        for _ in 0..=MAX_HEAD_BYTES / 4096 {
            fed = fed.and_then(|_| reader.feed(&[b'x'; 4096], &mut |_| ()));
        }
        assert_eq!(fed, Err(Failure::Malformed("a head without an end")));
    }
}
