//! What we write, others read as the message that was meant: a strict reader of our own, hyper, httparse.
//!
//! Each case states the message (fields that go on, body); the bytes around it are made here, sent through a
//! relay, and read by someone who shares no code with it.

mod support;

use common::http::{AfterClient, Relay};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use support::{
    OnPanic,
    chance::Chance,
    drive::{SCRATCH, begin, whole},
    strict::{self, End},
    wire::{Ended, Memory},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

type Fields = Vec<(String, Vec<u8>)>;

/// How a body is framed on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    None,
    Length,
    Chunked,
    UntilClose,
}

#[derive(Debug, Clone)]
struct Case {
    method: &'static str,
    http10: bool,
    request_frame: Frame,
    request_fields: Fields,
    request_body: Vec<u8>,
    status: u16,
    interim: bool,
    response_frame: Frame,
    response_fields: Fields,
    response_body: Vec<u8>,
}

/// What arrived at either end.
struct Relayed {
    to_backend: Vec<u8>,
    to_client: Vec<u8>,
    after: AfterClient,
}

/// Field names and values of all kinds: case, duplicates, obs-text, empty, odd but legal token bytes.
fn some_fields(chance: &mut Chance) -> Fields {
    let names =
        ["X-A", "x-a", "X-a", "ACCEPT", "accept", "Set-Cookie", "set-cookie", "X!#$%&'*+-.^_`|~9", "Cookie", "Z"];
    let values: [&[u8]; 9] = [
        b"1",
        b"",
        b"a, b",
        b"caf\xc3\xa9",
        b"\xff\x80",
        b"a\tb  c",
        b"\"q\\\"\"",
        b"=;:,",
        b"0123456789012345678901234567890123456789",
    ];
    (0..chance.below(12)).map(|_| (chance.pick(&names).to_owned(), chance.pick(&values).to_vec())).collect()
}

impl Case {
    fn new(chance: &mut Chance) -> Self {
        let method = chance.pick(&["GET", "HEAD", "POST", "PUT", "OPTIONS", "PROPFIND"]);
        let http10 = chance.one_in(4);
        let request_frame = match method {
            "POST" | "PUT" if http10 => Frame::Length,
            "POST" | "PUT" => chance.pick(&[Frame::Length, Frame::Chunked]),
            _ => Frame::None,
        };
        let status = chance.pick(&[200, 200, 200, 404, 500, 204, 304]);
        let response_frame = match chance.below(3) {
            _ if status == 204 => Frame::None,
            0 => Frame::Chunked,
            1 if method != "HEAD" && status != 304 => Frame::UntilClose,
            _ => Frame::Length,
        };
        let (up, down) = (chance.size(70_000), chance.size(150_000));
        let bodiless = method == "HEAD" || matches!(status, 204 | 304);
        Self {
            method,
            http10,
            request_frame,
            request_fields: some_fields(chance),
            request_body: if request_frame == Frame::None { Vec::new() } else { chance.bytes(up) },
            status,
            interim: chance.one_in(4),
            response_frame,
            response_fields: some_fields(chance),
            response_body: if bodiless { Vec::new() } else { chance.bytes(down) },
        }
    }

    fn request(&self, chance: &mut Chance) -> Vec<u8> {
        let mut out =
            format!("{} /a%20b?c=d HTTP/1.{}\r\nhOST: example.com:80\r\n", self.method, u8::from(!self.http10))
                .into_bytes();
        put_message(chance, &mut out, &self.request_fields, self.request_frame, &self.request_body, false);
        out
    }

    fn response(&self, chance: &mut Chance) -> Vec<u8> {
        let interim = if self.interim {
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        } else {
            ""
        };
        let mut out = format!("{interim}HTTP/1.1 {} A Reason\r\n", self.status).into_bytes();
        let bodiless = self.method == "HEAD" || matches!(self.status, 204 | 304);
        put_message(chance, &mut out, &self.response_fields, self.response_frame, &self.response_body, bodiless);
        out
    }

    /// Through a relay, whole.
    fn relay(&self, chance: &mut Chance) -> Relayed {
        let request = self.request(chance);
        let head = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let mut relay = Relay::new();
        begin(&mut relay, &request[..head], true).expect("a head alone");
        let mut client = Memory::willing(&request[head..]);
        let mut backend = Memory::willing(b"");
        client.piece = 1 + chance.below(SCRATCH);
        // The whole request first, so that the answer is no early one.
        relay.attempt(false);
        while strict::request(&backend.sent).expect("well formed").is_none_or(|message| message.end != End::Exact) {
            support::drive::turn(&mut relay, &mut client, &mut backend).expect("no failure").expect("no answer yet");
        }
        backend.inbox.extend(self.response(chance));
        backend.piece = 1 + chance.below(SCRATCH);
        backend.inbox_end = (self.response_frame == Frame::UntilClose).then_some(Ended::Fin);
        assert_eq!(support::drive::turn(&mut relay, &mut client, &mut backend).expect("no failure"), None);
        let (record, after, _) = relay.end();
        assert!(record.failure.is_none());
        Relayed { to_backend: backend.sent, to_client: client.sent, after }
    }
}

fn put_message(chance: &mut Chance, out: &mut Vec<u8>, fields: &Fields, frame: Frame, body: &[u8], bodiless: bool) {
    let framing = match frame {
        Frame::Length if bodiless => "Content-Length: 4321\r\n".to_owned(),
        Frame::Length => format!("Content-Length: {}\r\n", body.len()),
        Frame::Chunked => "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n".to_owned(),
        Frame::None | Frame::UntilClose => String::new(),
    };
    let first = chance.one_in(2);
    out.extend_from_slice(if first { framing.as_bytes() } else { b"" });
    for (name, value) in fields {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(chance.pick(&[b":".as_slice(), b": ", b":\t "]));
        out.extend_from_slice(value);
        out.extend_from_slice(chance.pick(&[b"\r\n".as_slice(), b" \t\r\n"]));
    }
    out.extend_from_slice(b"Connection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 5\r\n");
    out.extend_from_slice(if first { b"" } else { framing.as_bytes() });
    out.extend_from_slice(b"\r\n");
    if bodiless {
        return;
    }
    if frame != Frame::Chunked {
        out.extend_from_slice(body);
        return;
    }
    for chunk in body.chunks(1 + chance.below(5_000)) {
        out.extend_from_slice(format!("{:X};x=y\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\nX-Sum: 1\r\n\r\n");
}

/// The case's own fields among `all`; nothing that ends at a hop may be there.
fn own<'a>(all: impl Iterator<Item = (&'a str, &'a [u8])>) -> Fields {
    let known = ["x-a", "accept", "set-cookie", "x!#$%&'*+-.^_`|~9", "cookie", "z"];
    all.inspect(|(name, _)| {
        let ends_here = ["x-gone", "keep-alive", "trailer", "x-sum"];
        assert!(!ends_here.contains(&name.to_ascii_lowercase().as_str()), "{name} went on");
    })
    .filter(|(name, _)| known.contains(&name.to_ascii_lowercase().as_str()))
    .map(|(name, value)| (name.to_owned(), value.to_vec()))
    .collect()
}

/// As hyper gives them: names in lower case, grouped.
fn grouped(fields: &Fields) -> Fields {
    let mut all: Fields = fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0)); // stable: the order of duplicates stays
    all
}

fn own_of(headers: &hyper::HeaderMap) -> Fields {
    grouped(&own(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("a name is ASCII")
}

fn for_each_case(count: u64, check: impl Fn(&Case, &Relayed)) {
    for seed in 0..count {
        let mut chance = Chance::new(seed);
        let case = Case::new(&mut chance);
        let relayed = case.relay(&mut chance);
        let _context = OnPanic(|| {
            let (up, down) = (strict::show(&relayed.to_backend), strict::show(&relayed.to_client));
            format!("seed {seed}: {case:?}\nto the backend: {up}\nto the client: {down}")
        });
        check(&case, &relayed);
    }
}

#[test]
fn strict_reader_reads_the_request_that_was_meant() {
    for_each_case(1_000, |case, relayed| {
        let message = strict::request(&relayed.to_backend).unwrap().expect("a request");
        assert_eq!(message.start, [case.method.as_bytes(), b"/a%20b?c=d", b"HTTP/1.1"].map(<[u8]>::to_vec));
        assert_eq!(own(message.fields.iter().map(|(name, value)| (text(name), &value[..]))), case.request_fields);
        assert_eq!((message.end, message.length), (End::Exact, relayed.to_backend.len()));
        assert!(message.body == case.request_body);
        assert_eq!(message.values("host"), [b"example.com:80"]);
        assert_eq!(message.values("x-forwarded-for"), [b"192.0.2.1"]);
        assert_eq!(message.values("via").len(), 1);
        assert_eq!(message.values("connection").len(), 0, "a pooled connection stays");
    });
}

#[test]
fn strict_reader_reads_the_response_that_was_meant() {
    for_each_case(1_000, |case, relayed| {
        let fin = relayed.after == AfterClient::Linger;
        let (mut messages, rest) = strict::answer(&relayed.to_client, case.method, fin).unwrap();
        assert!(rest.is_empty());
        let message = messages.pop().expect("a final response");
        assert_eq!(messages.len(), if case.interim && !case.http10 { 2 } else { 0 });
        assert_eq!(message.start, [b"HTTP/1.1", case.status.to_string().as_bytes(), b"A Reason"].map(<[u8]>::to_vec));
        assert_eq!(own(message.fields.iter().map(|(name, value)| (text(name), &value[..]))), case.response_fields);
        assert!(message.body == case.response_body);
        let until_close = case.http10 && matches!(case.response_frame, Frame::Chunked | Frame::UntilClose);
        let bodiless = case.method == "HEAD" || matches!(case.status, 204 | 304);
        let expected = if until_close && !bodiless { End::UntilClose } else { End::Exact };
        assert_eq!(message.end, expected);
        assert_eq!(relayed.after, if case.http10 { AfterClient::Linger } else { AfterClient::KeepAlive });
        assert_eq!(message.has("connection", "close"), case.http10);
        let length = message.values("content-length").len();
        assert_eq!(length, usize::from(case.response_frame == Frame::Length), "a length stays a length");
    });
}

#[test]
fn httparse_reads_both_heads() {
    for_each_case(1_000, |case, relayed| {
        let mut room = [httparse::EMPTY_HEADER; 120];
        let mut request = httparse::Request::new(&mut room);
        assert!(request.parse(&relayed.to_backend).unwrap().is_complete());
        assert_eq!((request.method, request.path, request.version), (Some(case.method), Some("/a%20b?c=d"), Some(1)));
        assert_eq!(own(request.headers.iter().map(|it| (it.name, it.value))), case.request_fields);
        let mut bytes = &relayed.to_client[..];
        loop {
            let mut room = [httparse::EMPTY_HEADER; 120];
            let mut response = httparse::Response::new(&mut room);
            let length = response.parse(bytes).unwrap().unwrap();
            if response.code.is_some_and(|code| code >= 200) {
                assert_eq!((response.code, response.reason), (Some(case.status), Some("A Reason")));
                assert_eq!(own(response.headers.iter().map(|it| (it.name, it.value))), case.response_fields);
                break;
            }
            bytes = &bytes[length..];
        }
    });
}

fn on_tokio(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(std::time::Duration::from_secs(10), test).await.expect("hyper waits for more");
    });
}

#[test]
fn hypers_server_reads_the_request_that_was_meant() {
    for_each_case(300, |case, relayed| {
        on_tokio(async {
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let (mut read, mut write) = tokio::io::split(ours);
            let seen = std::cell::Cell::new(0);
            let service = hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| {
                seen.set(seen.get() + 1);
                async {
                    let (head, body) = request.into_parts();
                    assert_eq!((head.method.as_str(), head.uri.to_string().as_str()), (case.method, "/a%20b?c=d"));
                    assert_eq!(own_of(&head.headers), grouped(&case.request_fields));
                    let body = body.collect().await.expect("a whole body").to_bytes();
                    assert!(body[..] == case.request_body[..], "another body");
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(String::new()))
                }
            });
            let server = hyper::server::conn::http1::Builder::new()
                .max_headers(120)
                .half_close(true)
                .serve_connection(TokioIo::new(theirs), service);
            let asker = async {
                write.write_all(&relayed.to_backend).await.expect("room");
                write.shutdown().await.expect("a shutdown");
                let mut answer = Vec::new();
                read.read_to_end(&mut answer).await.expect("an answer");
                assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", strict::show(&answer));
            };
            let (outcome, ()) = tokio::join!(server, asker);
            outcome.expect("hyper is content");
            assert_eq!(seen.get(), 1, "requests in what was one");
        });
    });
}

#[test]
fn hypers_client_reads_the_response_that_was_meant() {
    for_each_case(300, |case, relayed| {
        on_tokio(async {
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
                .max_headers(120)
                .handshake(TokioIo::new(ours))
                .await
                .expect("a handshake");
            let backend = async {
                let (mut read, mut write) = tokio::io::split(theirs);
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    assert_ne!(read.read_buf(&mut asked).await.expect("a request"), 0);
                }
                write.write_all(&relayed.to_client).await.expect("room");
                write.shutdown().await.expect("a shutdown");
            };
            let client = async {
                let request = hyper::Request::builder().method(case.method).uri("/").header("host", "a");
                let request = request.body(http_body_util::Empty::<hyper::body::Bytes>::new()).expect("a request");
                let (head, body) = sender.send_request(request).await.expect("a response").into_parts();
                assert_eq!(head.status.as_u16(), case.status);
                assert_eq!(own_of(&head.headers), grouped(&case.response_fields));
                let body = body.collect().await.expect("a whole body").to_bytes();
                assert!(body[..] == case.response_body[..], "another body");
                drop(sender);
            };
            let (connected, (), ()) = tokio::join!(connection, backend, client);
            connected.expect("hyper is content");
        });
    });
}

#[test]
fn nobody_takes_a_response_that_broke_off_for_a_whole_one() {
    let cut: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ];
    for (response, version) in cut.into_iter().flat_map(|response| [(response, 1), (response, 0)]) {
        let mut relay = support::drive::begun(format!("GET / HTTP/1.{version}\r\nHost: a\r\n\r\n").as_bytes(), true);
        let mut client = Memory::willing(b"");
        let (record, after, _) = whole(&mut relay, &mut client, &mut Memory::willing(response).then(Ended::Fin));
        assert!(record.failure.is_some());
        let fin = after == AfterClient::Linger;
        let (messages, _) = strict::answer(&client.sent, "GET", fin).unwrap();
        assert_eq!(messages.last().map(|message| message.end), Some(End::Cut), "{version} {}", response.escape_ascii());
        if !fin {
            assert_eq!(after, AfterClient::Abort);
            continue; // a reset is read as one by everybody
        }
        on_tokio(async {
            let (ours, mut theirs) = tokio::io::duplex(1 << 20);
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.expect("a handshake");
            let request = hyper::Request::new(http_body_util::Empty::<hyper::body::Bytes>::new());
            let backend = async {
                assert_ne!(theirs.read_buf(&mut Vec::with_capacity(1_000)).await.expect("a request"), 0);
                theirs.write_all(&client.sent).await.expect("room");
                theirs.shutdown().await.expect("a shutdown");
            };
            let client = async {
                let response = sender.send_request(request).await.expect("a head");
                assert!(response.into_body().collect().await.is_err(), "hyper took it for whole");
            };
            let (_, (), ()) = tokio::join!(connection, backend, client);
        });
    }
}

#[test]
fn reason_and_bodiless_lengths_survive() {
    for (response, line) in [
        (
            b"HTTP/1.1 200 Tr\xc3\xa8s bien\r\nContent-Length: 0\r\n\r\n".as_slice(),
            b"HTTP/1.1 200 Tr\xc3\xa8s bien\r\n".as_slice(),
        ),
        (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 \r\n"),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 \r\n"),
    ] {
        let mut relay = support::drive::begun(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true);
        let mut client = Memory::willing(b"");
        whole(&mut relay, &mut client, &mut Memory::willing(response));
        assert!(client.sent.starts_with(line), "{}", strict::show(&client.sent));
    }
}
