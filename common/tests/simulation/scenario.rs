//! What the peers of one seed send and do, generated before the run.
//!
//! A scenario holds each message as it is meant: body, headers, and whether the message is complete. So the invariants
//! compare with the scenario and not with what a parser makes of the bytes.

use crate::support::{memory_stream::StreamEnd, rng::Rng};

/// A header as it is sent, and whether a proxy forwards it.
type Field = (&'static str, &'static str, bool);

const FIELDS: [Field; 8] = [
    ("X-One", "1", true),
    ("x-one", "two, three", true),
    ("X-ONE", "1", true),
    ("X-Latin", "caf\u{e9}", true),
    ("X-Empty", "", true),
    ("Keep-Alive", "timeout=5", false),
    ("Trailer", "X-Sum", false),
    ("X-Hop", "mine", false), // always with `Connection: x-hop`
];

/// How a body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    None,
    Length,
    Chunked,
    UntilClose,
}

/// One request of the client.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) http10: bool,
    pub(crate) expects: bool,
    pub(crate) websocket: bool,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The chunked coding is malformed before its end.
    pub(crate) malformed: bool,
    pub(crate) head_length: usize,
    pub(crate) bytes: Vec<u8>,
}

/// When a backend starts to respond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RespondWhen {
    /// Before it has read a byte.
    Immediately,
    AfterHead,
    /// After this many bytes, head included.
    AfterBytes(usize),
    AfterRequest,
    Never,
}

/// How a backend responds to the request of one attempt.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(crate) struct ScriptedResponse {
    pub(crate) connects: bool,
    pub(crate) when: RespondWhen,
    /// Reads this many bytes, then stops reading.
    pub(crate) read_limit: usize,
    /// Writes beyond `read_limit` fail, instead of blocking.
    pub(crate) write_fails: bool,
    pub(crate) interim: Vec<u16>,
    pub(crate) status: u16,
    pub(crate) frame: Frame,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    /// How many of `bytes` belong to the message.
    pub(crate) length: usize,
    /// Whether `bytes` hold a complete message.
    pub(crate) complete: bool,
    pub(crate) end: Option<StreamEnd>,
    /// Whether the response permits reuse of the connection.
    pub(crate) keeps_alive: bool,
    pub(crate) tunnel: Vec<u8>,
}

/// What happens on one client connection.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) requests: Vec<Request>,
    /// The client sends this many bytes …
    pub(crate) sends_bytes: usize,
    /// … and then ends its stream this way, if it does.
    pub(crate) end: Option<StreamEnd>,
    pub(crate) is_pipelining: bool,
    /// The client reads this many bytes, then none.
    pub(crate) read_limit: usize,
    pub(crate) pooled: bool,
    /// Bytes for the tunnel that the client sends with, or after, an upgrade request.
    pub(crate) tunnel: Vec<u8>,
    /// At each wait a deadline fires with a probability of one in this many.
    pub(crate) deadline_one_in: usize,
}

const RESPOND_WHEN: [RespondWhen; 7] = [
    RespondWhen::AfterRequest,
    RespondWhen::AfterRequest,
    RespondWhen::AfterRequest,
    RespondWhen::AfterHead,
    RespondWhen::Immediately,
    RespondWhen::AfterBytes(700),
    RespondWhen::Never,
];
const METHODS: [&str; 8] = ["GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "PATCH"];

impl Scenario {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let last = rng.below(4);
        let requests: Vec<_> = (0..=last).map(|at| Request::new(rng, at, at == last)).collect();
        let all: usize = requests.iter().map(|request| request.bytes.len()).sum();
        let last_length = requests[last].bytes.len();
        let websocket = requests[last].websocket;
        let tunnel_length = rng.size(200_000);
        let tunnel = if websocket { rng.bytes(tunnel_length) } else { Vec::new() };
        let truncated = rng.one_in(6) && !websocket;
        let sends = if truncated { all - rng.below(last_length) - 1 } else { all };
        let then = match rng.below(4) {
            0 => Some(StreamEnd::Reset),
            1 | 2 => Some(StreamEnd::Fin),
            _ => None,
        };
        Self {
            requests,
            sends_bytes: sends,
            end: if truncated || websocket || rng.one_in(3) { then } else { None },
            is_pipelining: rng.one_in(2),
            read_limit: if rng.one_in(10) { rng.size(100_000) } else { usize::MAX },
            pooled: rng.one_in(2),
            tunnel,
            deadline_one_in: if rng.one_in(5) { 20 } else { usize::MAX },
        }
    }
}

impl Request {
    fn new(rng: &mut Rng, at: usize, last: bool) -> Self {
        let websocket = last && rng.one_in(6);
        let http10 = last && !websocket && rng.one_in(5);
        let method = if websocket { "GET" } else { rng.pick(&METHODS) };
        let frame = match rng.below(4) {
            _ if websocket || method == "HEAD" => Frame::None,
            0 => Frame::Length,
            1 if !http10 => Frame::Chunked,
            2 if method == "POST" => Frame::Length,
            _ => Frame::None,
        };
        let length = if frame == Frame::None { 0 } else { rng.size(150_000) };
        let body = rng.bytes(length);
        let expects = frame != Frame::None && !http10 && rng.one_in(4);
        let malformed = last && frame == Frame::Chunked && rng.one_in(5);
        let mut head = format!("{method} /{at} HTTP/1.{}\r\nHost: example.com\r\n", u8::from(!http10)).into_bytes();
        let fields = write_fields(rng, &mut head, websocket);
        match frame {
            Frame::Length => write_field(&mut head, "Content-Length", &body.len().to_string()),
            Frame::Chunked => write_field(&mut head, "transfer-encoding", "Chunked"),
            _ => {}
        }
        if expects {
            write_field(&mut head, "Expect", "100-continue");
        }
        if websocket {
            write_field(&mut head, "Connection", "keep-alive, Upgrade");
            write_field(&mut head, "Upgrade", "websocket");
        }
        head.extend_from_slice(b"\r\n");
        let head_length = head.len();
        write_body(rng, &mut head, frame, &body, malformed);
        Self { method, http10, expects, websocket, fields, body, malformed, head_length, bytes: head }
    }

    /// RFC 9110 §9.2.2, for the methods used here.
    pub(crate) fn is_idempotent(&self) -> bool {
        !matches!(self.method, "POST" | "PATCH")
    }
}

impl ScriptedResponse {
    pub(crate) fn new(rng: &mut Rng, request: &Request) -> Self {
        let upgrades = request.websocket && !rng.one_in(4);
        let http10 = !upgrades && rng.one_in(8);
        let status = if upgrades { 101 } else { rng.pick(&[200, 200, 200, 404, 500, 204, 304]) };
        let bodiless = request.method == "HEAD" || matches!(status, 101 | 204 | 304);
        let frame = match rng.below(3) {
            _ if upgrades => Frame::None,
            0 if !http10 => Frame::Chunked,
            1 if !bodiless => Frame::UntilClose,
            _ if status == 204 => Frame::None,
            _ => Frame::Length,
        };
        let size = rng.size(300_000);
        let body = if bodiless { Vec::new() } else { rng.bytes(size) };
        let mut bytes = Vec::new();
        let interim = interim(rng, &mut bytes);
        bytes.extend_from_slice(format!("HTTP/1.{} {status} Some Reason\r\n", u8::from(!http10)).as_bytes());
        let fields = write_fields(rng, &mut bytes, upgrades);
        let (keeps_alive, says_close) = (!http10 || rng.one_in(2), rng.one_in(6));
        write_framing(&mut bytes, frame, bodiless, body.len());
        match (upgrades, says_close, http10 && keeps_alive) {
            (true, ..) => bytes.extend_from_slice(b"Connection: upgrade\r\nUpgrade: WebSocket\r\n"),
            (_, true, _) => write_field(&mut bytes, "Connection", "close"),
            (_, _, true) => write_field(&mut bytes, "Connection", "Keep-Alive"),
            _ => {}
        }
        bytes.extend_from_slice(b"\r\n");
        let malformed = !bodiless && frame == Frame::Chunked && rng.one_in(8);
        if !bodiless {
            write_body(rng, &mut bytes, frame, &body, malformed);
        }
        let tunnel_length = rng.size(200_000);
        let tunnel = if upgrades { rng.bytes(tunnel_length) } else { Vec::new() };
        let mut response = Self {
            connects: !rng.one_in(12),
            when: rng.pick(&RESPOND_WHEN),
            read_limit: usize::MAX,
            write_fails: false,
            interim,
            status,
            frame,
            fields,
            body,
            length: bytes.len(),
            bytes,
            complete: !malformed,
            end: (frame == Frame::UntilClose).then_some(StreamEnd::Fin),
            // After a 204 that announces a body, the body may still follow.
            keeps_alive: keeps_alive
                && !says_close
                && frame != Frame::UntilClose
                && !upgrades
                && (status, frame) != (204, Frame::Chunked),
            tunnel,
        };
        response.inject_fault(rng);
        response
    }

    /// Injects at most one fault.
    fn inject_fault(&mut self, rng: &mut Rng) {
        match rng.below(12) {
            0 => {
                // No byte, then FIN or RST: a stale pooled connection.
                self.truncate(0);
                self.end = Some(rng.pick(&[StreamEnd::Fin, StreamEnd::Reset]));
            }
            1 => {
                self.truncate(rng.below(self.bytes.len()));
                // A FIN would be the regular end of a body that lasts until close.
                let fin = if self.frame == Frame::UntilClose { StreamEnd::Reset } else { StreamEnd::Fin };
                self.end = rng.pick(&[Some(fin), Some(StreamEnd::Reset), None]);
            }
            2 if self.frame == Frame::UntilClose => {
                self.complete = false;
                self.end = rng.pick(&[Some(StreamEnd::Reset), None]);
            }
            2 | 3 if self.frame != Frame::UntilClose && self.status != 101 => {
                self.bytes.extend_from_slice(rng.pick(&[b"\r\n".as_slice(), b"HTTP/1.1 200 Stray\r\n\r\n", b"x"]));
            }
            4 if self.status != 101 => {
                // The end follows the complete message; with a length, a RST may arrive with its last byte.
                self.end = Some(if self.frame == Frame::UntilClose { StreamEnd::Fin } else { StreamEnd::Reset });
            }
            5 => {
                self.read_limit = rng.below(2_000);
                self.when = RespondWhen::Immediately;
                self.write_fails = rng.one_in(2);
            }
            6 if rng.one_in(2) => {
                let bad: &[u8] = rng.pick(&[
                    b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n".as_slice(),
                    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
                    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
                    b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
                    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    b"HTTP/2 200 OK\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
                ]);
                self.bytes = bad.to_vec();
                self.interim.clear();
                (self.length, self.complete, self.keeps_alive) = (0, false, false);
            }
            _ => {}
        }
    }

    fn truncate(&mut self, at: usize) {
        self.bytes.truncate(at);
        self.complete = false;
        self.keeps_alive = false;
    }
}

fn interim(rng: &mut Rng, bytes: &mut Vec<u8>) -> Vec<u16> {
    let statuses: &[u16] = rng.pick(&[[].as_slice(), &[], &[], &[100], &[103], &[100, 103], &[102, 100]]);
    for status in statuses {
        let nonsense = if rng.one_in(4) { "Content-Length: 0\r\n" } else { "" };
        bytes.extend_from_slice(format!("HTTP/1.1 {status} Wait\r\nLink: </x>\r\n{nonsense}\r\n").as_bytes());
    }
    statuses.to_vec()
}

/// Responses to HEAD and 304 announce the length of a body that is not sent.
fn write_framing(bytes: &mut Vec<u8>, frame: Frame, bodiless: bool, length: usize) {
    match frame {
        Frame::Length if bodiless => write_field(bytes, "content-length", "1234"),
        Frame::Length => write_field(bytes, "content-length", &length.to_string()),
        Frame::Chunked => write_field(bytes, "Transfer-Encoding", "chunked"),
        Frame::UntilClose | Frame::None => {}
    }
}

fn write_field(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value.as_bytes());
    bytes.extend_from_slice(b"\r\n");
}

/// Writes random headers; returns those that a proxy forwards. An upgrade has its own `Connection` header.
fn write_fields(rng: &mut Rng, bytes: &mut Vec<u8>, upgrade: bool) -> Vec<(String, String)> {
    let mut forwarded = Vec::new();
    for _ in 0..rng.below(6) {
        let (name, value, is_forwarded) = rng.pick(&FIELDS);
        if upgrade && !is_forwarded {
            continue;
        }
        if name == "X-Hop" {
            write_field(bytes, "connection", ", X-hOp");
        }
        write_field(bytes, name, value);
        if is_forwarded {
            forwarded.push((name.to_owned(), value.to_owned()));
        }
    }
    forwarded
}

fn write_body(rng: &mut Rng, bytes: &mut Vec<u8>, frame: Frame, body: &[u8], malformed: bool) {
    if frame != Frame::Chunked {
        bytes.extend_from_slice(body);
        return;
    }
    let mut rest = body;
    while !rest.is_empty() {
        let most = if rng.one_in(3) { rest.len() } else { rest.len().min(2_000) };
        let (chunk, left) = rest.split_at(1 + rng.below(most));
        let extension = rng.pick(&["", "", "", ";a", ";name=\"v;x\"", " ;b=c"]);
        bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        rest = left;
    }
    if malformed {
        let bad = rng.pick(&[b"zz\r\n".as_slice(), b"-1\r\n", b"\r\n", b"0\n\r\n", b"0\r\n: x\r\n\r\n"]);
        bytes.extend_from_slice(bad);
    }
    bytes.extend_from_slice(rng.pick(&[b"0\r\n\r\n".as_slice(), b"000\r\n\r\n", b"0;x\r\nX-Sum: 1\r\n\r\n"]));
}
