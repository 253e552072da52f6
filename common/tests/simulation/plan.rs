//! What the peers of one seed will do, and what a faithful relay must make of it.
//!
//! A plan knows the truth beforehand: body, fields and whether the message has its end. So the oracle never
//! asks a parser what was meant.

use crate::support::{chance::Chance, wire::Ended};

/// Fields as they are sent, and whether they go on.
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
    /// Its coding is broken before its end.
    pub(crate) broken: bool,
    pub(crate) head_length: usize,
    pub(crate) wire: Vec<u8>,
}

/// How far a backend reads before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Before it has read anything.
    AtOnce,
    AfterHead,
    /// After this many bytes, head included.
    After(usize),
    AfterAll,
    Never,
}

/// What a backend does with the request of one attempt.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(crate) struct Reply {
    pub(crate) connects: bool,
    pub(crate) when: When,
    /// Reads no more than this; then it stalls.
    pub(crate) takes: usize,
    /// No more is taken: writes fail.
    pub(crate) deaf: bool,
    pub(crate) interim: Vec<u16>,
    pub(crate) status: u16,
    pub(crate) frame: Frame,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) wire: Vec<u8>,
    /// Bytes of `wire` that belong to the message.
    pub(crate) length: usize,
    /// The whole message is sent.
    pub(crate) whole: bool,
    pub(crate) then: Option<Ended>,
    /// The connection may serve again, as far as the reply says.
    pub(crate) stays: bool,
    pub(crate) tunnel: Vec<u8>,
}

/// A client's connection and all that meets it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) requests: Vec<Request>,
    /// The client sends this many bytes in all …
    pub(crate) sends: usize,
    /// … and then this.
    pub(crate) then: Option<Ended>,
    pub(crate) pipelines: bool,
    /// The client reads this many bytes, then none.
    pub(crate) reads: usize,
    pub(crate) pooled: bool,
    /// Bytes for the tunnel that the client sends with, or after, an upgrade request.
    pub(crate) tunnel: Vec<u8>,
    /// One chance in this many, each time it waits, that a deadline passes.
    pub(crate) deadline_one_in: usize,
}

const WHENS: [When; 7] =
    [When::AfterAll, When::AfterAll, When::AfterAll, When::AfterHead, When::AtOnce, When::After(700), When::Never];
const METHODS: [&str; 8] = ["GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "PATCH"];

impl Plan {
    pub(crate) fn new(chance: &mut Chance) -> Self {
        let last = chance.below(4);
        let requests: Vec<_> = (0..=last).map(|at| Request::new(chance, at, at == last)).collect();
        let all: usize = requests.iter().map(|request| request.wire.len()).sum();
        let last_length = requests[last].wire.len();
        let websocket = requests[last].websocket;
        let tunnel_length = chance.size(200_000);
        let tunnel = if websocket { chance.bytes(tunnel_length) } else { Vec::new() };
        let cut = chance.one_in(6) && !websocket;
        let sends = if cut { all - chance.below(last_length) - 1 } else { all };
        let then = match chance.below(4) {
            0 => Some(Ended::Reset),
            1 | 2 => Some(Ended::Fin),
            _ => None,
        };
        Self {
            requests,
            sends,
            then: if cut || websocket || chance.one_in(3) { then } else { None },
            pipelines: chance.one_in(2),
            reads: if chance.one_in(10) { chance.size(100_000) } else { usize::MAX },
            pooled: chance.one_in(2),
            tunnel,
            deadline_one_in: if chance.one_in(5) { 20 } else { usize::MAX },
        }
    }
}

impl Request {
    fn new(chance: &mut Chance, at: usize, last: bool) -> Self {
        let websocket = last && chance.one_in(6);
        let http10 = last && !websocket && chance.one_in(5);
        let method = if websocket { "GET" } else { chance.pick(&METHODS) };
        let frame = match chance.below(4) {
            _ if websocket || method == "HEAD" => Frame::None,
            0 => Frame::Length,
            1 if !http10 => Frame::Chunked,
            2 if method == "POST" => Frame::Length,
            _ => Frame::None,
        };
        let length = if frame == Frame::None { 0 } else { chance.size(150_000) };
        let body = chance.bytes(length);
        let expects = frame != Frame::None && !http10 && chance.one_in(4);
        let broken = last && frame == Frame::Chunked && chance.one_in(5);
        let mut head = format!("{method} /{at} HTTP/1.{}\r\nHost: example.com\r\n", u8::from(!http10)).into_bytes();
        let fields = put_fields(chance, &mut head, websocket);
        match frame {
            Frame::Length => put(&mut head, "Content-Length", &body.len().to_string()),
            Frame::Chunked => put(&mut head, "transfer-encoding", "Chunked"),
            _ => {}
        }
        if expects {
            put(&mut head, "Expect", "100-continue");
        }
        if websocket {
            put(&mut head, "Connection", "keep-alive, Upgrade");
            put(&mut head, "Upgrade", "websocket");
        }
        head.extend_from_slice(b"\r\n");
        let head_length = head.len();
        put_body(chance, &mut head, frame, &body, broken);
        Self { method, http10, expects, websocket, fields, body, broken, head_length, wire: head }
    }

    /// RFC 9110 §9.2.2, for the methods used here.
    pub(crate) fn is_idempotent(&self) -> bool {
        !matches!(self.method, "POST" | "PATCH")
    }
}

impl Reply {
    pub(crate) fn new(chance: &mut Chance, request: &Request) -> Self {
        let upgrades = request.websocket && !chance.one_in(4);
        let http10 = !upgrades && chance.one_in(8);
        let status = if upgrades { 101 } else { chance.pick(&[200, 200, 200, 404, 500, 204, 304]) };
        let bodiless = request.method == "HEAD" || matches!(status, 101 | 204 | 304);
        let frame = match chance.below(3) {
            _ if upgrades => Frame::None,
            0 if !http10 => Frame::Chunked,
            1 if !bodiless => Frame::UntilClose,
            _ if status == 204 => Frame::None,
            _ => Frame::Length,
        };
        let size = chance.size(300_000);
        let body = if bodiless { Vec::new() } else { chance.bytes(size) };
        let mut wire = Vec::new();
        let interim = interim(chance, &mut wire);
        wire.extend_from_slice(format!("HTTP/1.{} {status} Some Reason\r\n", u8::from(!http10)).as_bytes());
        let fields = put_fields(chance, &mut wire, upgrades);
        let (keeps, says_close) = (!http10 || chance.one_in(2), chance.one_in(6));
        put_framing(&mut wire, frame, bodiless, body.len());
        match (upgrades, says_close, http10 && keeps) {
            (true, ..) => wire.extend_from_slice(b"Connection: upgrade\r\nUpgrade: WebSocket\r\n"),
            (_, true, _) => put(&mut wire, "Connection", "close"),
            (_, _, true) => put(&mut wire, "Connection", "Keep-Alive"),
            _ => {}
        }
        wire.extend_from_slice(b"\r\n");
        let broken = !bodiless && frame == Frame::Chunked && chance.one_in(8);
        if !bodiless {
            put_body(chance, &mut wire, frame, &body, broken);
        }
        let tunnel_length = chance.size(200_000);
        let tunnel = if upgrades { chance.bytes(tunnel_length) } else { Vec::new() };
        let mut reply = Self {
            connects: !chance.one_in(12),
            when: chance.pick(&WHENS),
            takes: usize::MAX,
            deaf: false,
            interim,
            status,
            frame,
            fields,
            body,
            length: wire.len(),
            wire,
            whole: !broken,
            then: (frame == Frame::UntilClose).then_some(Ended::Fin),
            // A 204 that announces a body may yet send it.
            stays: keeps
                && !says_close
                && frame != Frame::UntilClose
                && !upgrades
                && (status, frame) != (204, Frame::Chunked),
            tunnel,
        };
        reply.disturb(chance);
        reply
    }

    /// What goes wrong, if anything does.
    fn disturb(&mut self, chance: &mut Chance) {
        match chance.below(12) {
            0 => {
                // Silence, then the end: what a pooled connection that went stale does.
                self.cut(0);
                self.then = Some(chance.pick(&[Ended::Fin, Ended::Reset]));
            }
            1 => {
                self.cut(chance.below(self.wire.len()));
                // A FIN in a body without framing would be its proper end.
                let fin = if self.frame == Frame::UntilClose { Ended::Reset } else { Ended::Fin };
                self.then = chance.pick(&[Some(fin), Some(Ended::Reset), None]);
            }
            2 if self.frame == Frame::UntilClose => {
                self.whole = false;
                self.then = chance.pick(&[Some(Ended::Reset), None]);
            }
            2 | 3 if self.frame != Frame::UntilClose && self.status != 101 => {
                self.wire.extend_from_slice(chance.pick(&[b"\r\n".as_slice(), b"HTTP/1.1 200 Stray\r\n\r\n", b"x"]));
            }
            4 if self.status != 101 => {
                // Ends cleanly once all is sent; a reset may come with the last byte.
                self.then = Some(if self.frame == Frame::UntilClose { Ended::Fin } else { Ended::Reset });
            }
            5 => {
                self.takes = chance.below(2_000);
                self.when = When::AtOnce;
                self.deaf = chance.one_in(2);
            }
            6 if chance.one_in(2) => {
                let bad: &[u8] = chance.pick(&[
                    b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n".as_slice(),
                    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
                    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
                    b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
                    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    b"HTTP/2 200 OK\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
                ]);
                self.wire = bad.to_vec();
                self.interim.clear();
                (self.length, self.whole, self.stays) = (0, false, false);
            }
            _ => {}
        }
    }

    fn cut(&mut self, at: usize) {
        self.wire.truncate(at);
        self.whole = false;
        self.stays = false;
    }
}

fn interim(chance: &mut Chance, wire: &mut Vec<u8>) -> Vec<u16> {
    let statuses: &[u16] = chance.pick(&[[].as_slice(), &[], &[], &[100], &[103], &[100, 103], &[102, 100]]);
    for status in statuses {
        let nonsense = if chance.one_in(4) { "Content-Length: 0\r\n" } else { "" };
        wire.extend_from_slice(format!("HTTP/1.1 {status} Wait\r\nLink: </x>\r\n{nonsense}\r\n").as_bytes());
    }
    statuses.to_vec()
}

/// HEAD and 304 announce the length of what does not follow.
fn put_framing(wire: &mut Vec<u8>, frame: Frame, bodiless: bool, length: usize) {
    match frame {
        Frame::Length if bodiless => put(wire, "content-length", "1234"),
        Frame::Length => put(wire, "content-length", &length.to_string()),
        Frame::Chunked => put(wire, "Transfer-Encoding", "chunked"),
        Frame::UntilClose | Frame::None => {}
    }
}

fn put(wire: &mut Vec<u8>, name: &str, value: &str) {
    wire.extend_from_slice(name.as_bytes());
    wire.extend_from_slice(b": ");
    wire.extend_from_slice(value.as_bytes());
    wire.extend_from_slice(b"\r\n");
}

/// Some fields; gives those that go on. In an upgrade `Connection` is taken.
fn put_fields(chance: &mut Chance, wire: &mut Vec<u8>, upgrade: bool) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    for _ in 0..chance.below(6) {
        let (name, value, goes_on) = chance.pick(&FIELDS);
        if upgrade && !goes_on {
            continue;
        }
        if name == "X-Hop" {
            put(wire, "connection", ", X-hOp");
        }
        put(wire, name, value);
        if goes_on {
            kept.push((name.to_owned(), value.to_owned()));
        }
    }
    kept
}

fn put_body(chance: &mut Chance, wire: &mut Vec<u8>, frame: Frame, body: &[u8], broken: bool) {
    if frame != Frame::Chunked {
        wire.extend_from_slice(body);
        return;
    }
    let mut rest = body;
    while !rest.is_empty() {
        let most = if chance.one_in(3) { rest.len() } else { rest.len().min(2_000) };
        let (chunk, left) = rest.split_at(1 + chance.below(most));
        let extension = chance.pick(&["", "", "", ";a", ";name=\"v;x\"", " ;b=c"]);
        wire.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
        rest = left;
    }
    if broken {
        let bad = chance.pick(&[b"zz\r\n".as_slice(), b"-1\r\n", b"\r\n", b"0\n\r\n", b"0\r\n: x\r\n\r\n"]);
        wire.extend_from_slice(bad);
    }
    wire.extend_from_slice(chance.pick(&[b"0\r\n\r\n".as_slice(), b"000\r\n\r\n", b"0;x\r\nX-Sum: 1\r\n\r\n"]));
}
