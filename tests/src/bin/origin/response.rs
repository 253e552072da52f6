//! Responses, built before they are needed.

use std::io::{self, IoSlice};
use std::rc::Rc;

use integration_tests::edge_triggered::EdgeTriggeredStream;

use crate::request::ResponseKind;

/// The body of `/`: 14 bytes.
const TEXT: &str = "Hello, world!\n";

/// Byte `i` of a body is `i % 251`, as the bundled backends send it and `load` expects it: a prime, so a block that is
/// lost or repeated at any power of two shows.
const PATTERN_PERIOD: u8 = 251;

/// A slice of the pattern is sent per call. It fits the CPU core's private cache; ten times as much would not.
const PATTERN_BYTES: usize = 1024 * PATTERN_PERIOD as usize;

/// The counters since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Connections that have sent a request.
    pub(crate) connections: u64,
    pub(crate) requests: u64,
}

/// All responses.
pub(crate) struct PrebuiltResponses {
    /// For keep-alive, and for `Connection: close`.
    small: [Rc<[u8]>; 2],
    /// The head for a body of so many bytes: a measurement requests one length only.
    last: Option<(u64, bool, Rc<[u8]>)>,
    pattern: Vec<u8>,
}

/// A response that is being sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The head, and a small body.
    head: Rc<[u8]>,
    head_sent: usize,
    /// The length of the pattern that follows, and how much of it was sent.
    body: u64,
    body_sent: u64,
}

impl PrebuiltResponses {
    pub(crate) fn new() -> Self {
        let small = [false, true].map(|close| full_response("text/plain", close, TEXT));
        let pattern = (0..PATTERN_PERIOD).cycle().take(PATTERN_BYTES).collect();
        Self { small, last: None, pattern }
    }

    pub(crate) fn to(&mut self, kind: ResponseKind, close: bool, counts: Counts) -> Outgoing {
        let (head, body) = match kind {
            ResponseKind::Small => (Rc::clone(&self.small[usize::from(close)]), 0),
            ResponseKind::Bytes(length) => (self.head_for_body(length, close), length),
            ResponseKind::Count => {
                let Counts { connections, requests } = counts;
                let text = format!("{{\"connections\": {connections}, \"requests\": {requests}}}\n");
                (full_response("application/json", close, &text), 0)
            }
        };
        Outgoing { head, head_sent: 0, body, body_sent: 0 }
    }

    fn head_for_body(&mut self, length: u64, close: bool) -> Rc<[u8]> {
        match &self.last {
            Some((of, closing, made)) if (*of, *closing) == (length, close) => Rc::clone(made),
            _ => {
                let made: Rc<[u8]> = head("application/octet-stream", close, length).into_bytes().into();
                self.last = Some((length, close, Rc::clone(&made)));
                made
            }
        }
    }
}

impl Outgoing {
    /// Sends until the socket is full; `true` once the response is complete.
    pub(crate) fn send(&mut self, stream: &mut EdgeTriggeredStream, responses: &PrebuiltResponses) -> io::Result<bool> {
        loop {
            let head = &self.head[self.head_sent..];
            let body = self.rest_of_body(&responses.pattern);
            let sent = match (head, body) {
                ([], []) => return Ok(true),
                (head, []) => stream.write(&[IoSlice::new(head)])?,
                ([], body) => stream.write(&[IoSlice::new(body)])?,
                (head, body) => stream.write(&[IoSlice::new(head), IoSlice::new(body)])?,
            };
            let Some(sent) = sent else { return Ok(false) };
            let of_head = sent.min(head.len());
            self.head_sent += of_head;
            self.body_sent += (sent - of_head) as u64;
        }
    }

    /// The next bytes of the body, as many as the pattern has from there on.
    fn rest_of_body<'a>(&self, pattern: &'a [u8]) -> &'a [u8] {
        let from = usize::try_from(self.body_sent % pattern.len() as u64).unwrap_or_default();
        let left = self.body - self.body_sent;
        let rest = &pattern[from..];
        &rest[..usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()))]
    }
}

fn head(kind: &str, close: bool, length: u64) -> String {
    let connection = if close { "Connection: close\r\n" } else { "" };
    format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{connection}\r\n")
}

fn full_response(kind: &str, close: bool, text: &str) -> Rc<[u8]> {
    (head(kind, close, text.len() as u64) + text).into_bytes().into()
}
