//! Independent parsers read what the relay writes: our strict parser, hyper and httparse must agree on each message.
//!
//! Each case states the message (the headers that a proxy forwards, the body). The test encodes it, sends it through a
//! relay, and parses the result with code that the relay does not share.

mod support;

use common::http::{AfterClient, Relay};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use support::{
    OnPanic,
    exchange::{SCRATCH_BYTES, begin_request, run_exchange},
    memory_stream::{MemoryStream, StreamEnd},
    rng::Rng,
    strict_parser::{self, End},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

type Fields = Vec<(String, Vec<u8>)>;

/// How a body is framed when it arrives.
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

/// The bytes that each peer received.
struct Relayed {
    to_backend: Vec<u8>,
    to_client: Vec<u8>,
    after: AfterClient,
}

/// Header names and values of all kinds: case, duplicates, obs-text, empty, unusual but legal token bytes.
fn random_fields(rng: &mut Rng) -> Fields {
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
    (0..rng.below(12)).map(|_| (rng.pick(&names).to_owned(), rng.pick(&values).to_vec())).collect()
}

impl Case {
    fn new(rng: &mut Rng) -> Self {
        let method = rng.pick(&["GET", "HEAD", "POST", "PUT", "OPTIONS", "PROPFIND"]);
        let http10 = rng.one_in(4);
        let request_frame = match method {
            "POST" | "PUT" if http10 => Frame::Length,
            "POST" | "PUT" => rng.pick(&[Frame::Length, Frame::Chunked]),
            _ => Frame::None,
        };
        let status = rng.pick(&[200, 200, 200, 404, 500, 204, 304]);
        let response_frame = match rng.below(3) {
            _ if status == 204 => Frame::None,
            0 => Frame::Chunked,
            1 if method != "HEAD" && status != 304 => Frame::UntilClose,
            _ => Frame::Length,
        };
        let (up, down) = (rng.size(70_000), rng.size(150_000));
        let bodiless = method == "HEAD" || matches!(status, 204 | 304);
        Self {
            method,
            http10,
            request_frame,
            request_fields: random_fields(rng),
            request_body: if request_frame == Frame::None { Vec::new() } else { rng.bytes(up) },
            status,
            interim: rng.one_in(4),
            response_frame,
            response_fields: random_fields(rng),
            response_body: if bodiless { Vec::new() } else { rng.bytes(down) },
        }
    }

    fn request(&self, rng: &mut Rng) -> Vec<u8> {
        let mut out =
            format!("{} /a%20b?c=d HTTP/1.{}\r\nhOST: example.com:80\r\n", self.method, u8::from(!self.http10))
                .into_bytes();
        let body = (self.request_frame, &self.request_body[..]);
        write_message(rng, Sender::Client, &mut out, &self.request_fields, body, false);
        out
    }

    fn response(&self, rng: &mut Rng) -> Vec<u8> {
        let interim = if self.interim {
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        } else {
            ""
        };
        let mut out = format!("{interim}HTTP/1.1 {} A Reason\r\n", self.status).into_bytes();
        let bodiless = self.method == "HEAD" || matches!(self.status, 204 | 304);
        let body = (self.response_frame, &self.response_body[..]);
        write_message(rng, Sender::Backend, &mut out, &self.response_fields, body, bodiless);
        out
    }

    /// Relays the case's request and response.
    fn relay(&self, rng: &mut Rng) -> Relayed {
        let request = self.request(rng);
        let head = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let mut relay = Relay::new();
        begin_request(&mut relay, &request[..head], true).expect("a head alone");
        let mut client = MemoryStream::with_input(&request[head..]);
        let mut backend = MemoryStream::with_input(b"");
        client.max_read = 1 + rng.below(SCRATCH_BYTES);
        // The complete request first, so that the response is not an early one.
        relay.attempt(false);
        while strict_parser::request(&backend.sent)
            .expect("well formed")
            .is_none_or(|message| message.end != End::Complete)
        {
            support::exchange::pump_until_wait(&mut relay, &mut client, &mut backend)
                .expect("no failure")
                .expect("no response yet");
        }
        backend.input.extend(self.response(rng));
        backend.max_read = 1 + rng.below(SCRATCH_BYTES);
        backend.input_end = (self.response_frame == Frame::UntilClose).then_some(StreamEnd::Fin);
        assert_eq!(
            support::exchange::pump_until_wait(&mut relay, &mut client, &mut backend).expect("no failure"),
            None
        );
        let (record, after, _) = relay.end();
        assert!(record.failure.is_none());
        Relayed { to_backend: backend.sent, to_client: client.sent, after }
    }
}

/// Who encodes a message. A backend adds blanks before colons and after chunk sizes, which none of the parsers accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Client,
    Backend,
}

impl Sender {
    fn blanks(self, rng: &mut Rng) -> &'static str {
        if self == Self::Backend { rng.pick(&["", "", " ", "\t "]) } else { "" }
    }
}

fn write_message(
    rng: &mut Rng,
    sender: Sender,
    out: &mut Vec<u8>,
    fields: &Fields,
    (frame, body): (Frame, &[u8]),
    bodiless: bool,
) {
    let blanks = sender.blanks(rng);
    let framing = match frame {
        Frame::Length if bodiless => format!("Content-Length{blanks}: 4321\r\n"),
        Frame::Length => format!("Content-Length{blanks}: {}\r\n", body.len()),
        Frame::Chunked => format!("Transfer-Encoding{blanks}: chunked\r\nTrailer: X-Sum\r\n"),
        Frame::None | Frame::UntilClose => String::new(),
    };
    let first = rng.one_in(2);
    out.extend_from_slice(if first { framing.as_bytes() } else { b"" });
    for (name, value) in fields {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(sender.blanks(rng).as_bytes());
        out.extend_from_slice(rng.pick(&[b":".as_slice(), b": ", b":\t "]));
        out.extend_from_slice(value);
        out.extend_from_slice(rng.pick(&[b"\r\n".as_slice(), b" \t\r\n"]));
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
    for chunk in body.chunks(1 + rng.below(5_000)) {
        let extension = if sender == Sender::Backend && rng.one_in(2) { sender.blanks(rng) } else { ";x=y" };
        out.extend_from_slice(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\nX-Sum: 1\r\n\r\n");
}

/// The case's own headers among `all`; asserts that no hop-by-hop header was forwarded.
fn forwarded<'a>(all: impl Iterator<Item = (&'a str, &'a [u8])>) -> Fields {
    let known = ["x-a", "accept", "set-cookie", "x!#$%&'*+-.^_`|~9", "cookie", "z"];
    all.inspect(|(name, _)| {
        let ends_here = ["x-gone", "keep-alive", "trailer", "x-sum"];
        assert!(!ends_here.contains(&name.to_ascii_lowercase().as_str()), "{name} was forwarded");
    })
    .filter(|(name, _)| known.contains(&name.to_ascii_lowercase().as_str()))
    .map(|(name, value)| (name.to_owned(), value.to_vec()))
    .collect()
}

/// As hyper returns them: names in lower case, grouped.
fn grouped(fields: &Fields) -> Fields {
    let mut all: Fields = fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0)); // stable: the order of duplicates stays
    all
}

fn forwarded_of(headers: &hyper::HeaderMap) -> Fields {
    grouped(&forwarded(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("a name is ASCII")
}

fn for_each_case(count: u64, check: impl Fn(&Case, &Relayed)) {
    for seed in 0..count {
        let mut rng = Rng::new(seed);
        let case = Case::new(&mut rng);
        let relayed = case.relay(&mut rng);
        let _context = OnPanic(|| {
            let (up, down) = (strict_parser::show(&relayed.to_backend), strict_parser::show(&relayed.to_client));
            format!("seed {seed}: {case:?}\nto the backend: {up}\nto the client: {down}")
        });
        check(&case, &relayed);
    }
}

#[test]
fn strict_parser_reads_the_original_request() {
    for_each_case(1_000, |case, relayed| {
        let message = strict_parser::request(&relayed.to_backend).unwrap().expect("a request");
        assert_eq!(message.start, [case.method.as_bytes(), b"/a%20b?c=d", b"HTTP/1.1"].map(<[u8]>::to_vec));
        assert_eq!(forwarded(message.fields.iter().map(|(name, value)| (text(name), &value[..]))), case.request_fields);
        assert_eq!((message.end, message.length), (End::Complete, relayed.to_backend.len()));
        assert!(message.body == case.request_body);
        assert_eq!(message.values("host"), [b"example.com:80"]);
        assert_eq!(message.values("x-forwarded-for"), [b"192.0.2.1"]);
        assert_eq!(message.values("via").len(), 1);
        assert_eq!(message.values("connection").len(), 0, "no Connection header on a pooled connection");
    });
}

#[test]
fn strict_parser_reads_the_original_response() {
    for_each_case(1_000, |case, relayed| {
        let fin = relayed.after == AfterClient::Linger;
        let (mut messages, rest) = strict_parser::responses(&relayed.to_client, case.method, fin).unwrap();
        assert!(rest.is_empty());
        let message = messages.pop().expect("a final response");
        assert_eq!(messages.len(), if case.interim && !case.http10 { 2 } else { 0 });
        assert_eq!(message.start, [b"HTTP/1.1", case.status.to_string().as_bytes(), b"A Reason"].map(<[u8]>::to_vec));
        assert_eq!(
            forwarded(message.fields.iter().map(|(name, value)| (text(name), &value[..]))),
            case.response_fields
        );
        assert!(message.body == case.response_body);
        let until_close = case.http10 && matches!(case.response_frame, Frame::Chunked | Frame::UntilClose);
        let bodiless = case.method == "HEAD" || matches!(case.status, 204 | 304);
        let expected = if until_close && !bodiless { End::UntilClose } else { End::Complete };
        assert_eq!(message.end, expected);
        assert_eq!(relayed.after, if case.http10 { AfterClient::Linger } else { AfterClient::KeepAlive });
        assert_eq!(message.has("connection", "close"), case.http10);
        let length = message.values("content-length").len();
        assert_eq!(length, usize::from(case.response_frame == Frame::Length), "Content-Length is kept");
        assert_eq!(message.values("date").len(), 1, "a Date is added");
    });
}

#[test]
fn httparse_reads_both_original_heads() {
    for_each_case(1_000, |case, relayed| {
        let mut room = [httparse::EMPTY_HEADER; 120];
        let mut request = httparse::Request::new(&mut room);
        assert!(request.parse(&relayed.to_backend).unwrap().is_complete());
        assert_eq!((request.method, request.path, request.version), (Some(case.method), Some("/a%20b?c=d"), Some(1)));
        assert_eq!(forwarded(request.headers.iter().map(|it| (it.name, it.value))), case.request_fields);
        let mut bytes = &relayed.to_client[..];
        loop {
            let mut room = [httparse::EMPTY_HEADER; 120];
            let mut response = httparse::Response::new(&mut room);
            let length = response.parse(bytes).unwrap().unwrap();
            if response.code.is_some_and(|code| code >= 200) {
                assert_eq!((response.code, response.reason), (Some(case.status), Some("A Reason")));
                assert_eq!(forwarded(response.headers.iter().map(|it| (it.name, it.value))), case.response_fields);
                break;
            }
            bytes = &bytes[length..];
        }
    });
}

fn on_tokio(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(std::time::Duration::from_secs(10), test).await.expect("hyper waits for more bytes");
    });
}

#[test]
fn hyper_server_reads_the_original_request() {
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
                    assert_eq!(forwarded_of(&head.headers), grouped(&case.request_fields));
                    let body = body.collect().await.expect("a complete body").to_bytes();
                    assert!(body[..] == case.request_body[..], "another body");
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(String::new()))
                }
            });
            let server = hyper::server::conn::http1::Builder::new()
                .max_headers(120)
                .half_close(true)
                .serve_connection(TokioIo::new(theirs), service);
            let client = async {
                write.write_all(&relayed.to_backend).await.expect("space to write");
                write.shutdown().await.expect("a shutdown");
                let mut response = Vec::new();
                read.read_to_end(&mut response).await.expect("a response");
                assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", strict_parser::show(&response));
            };
            let (outcome, ()) = tokio::join!(server, client);
            outcome.expect("hyper reports no error");
            assert_eq!(seen.get(), 1, "number of requests that hyper parsed");
        });
    });
}

#[test]
fn hyper_client_reads_the_original_response() {
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
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    assert_ne!(read.read_buf(&mut request).await.expect("a request"), 0);
                }
                write.write_all(&relayed.to_client).await.expect("space to write");
                write.shutdown().await.expect("a shutdown");
            };
            let client = async {
                let request = hyper::Request::builder().method(case.method).uri("/").header("host", "a");
                let request = request.body(http_body_util::Empty::<hyper::body::Bytes>::new()).expect("a request");
                let (head, body) = sender.send_request(request).await.expect("a response").into_parts();
                assert_eq!(head.status.as_u16(), case.status);
                assert_eq!(forwarded_of(&head.headers), grouped(&case.response_fields));
                let body = body.collect().await.expect("a complete body").to_bytes();
                assert!(body[..] == case.response_body[..], "another body");
                drop(sender);
            };
            let (connected, (), ()) = tokio::join!(connection, backend, client);
            connected.expect("hyper reports no error");
        });
    });
}

#[test]
fn no_parser_takes_a_truncated_response_for_complete() {
    let truncated: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ];
    for (response, version) in truncated.into_iter().flat_map(|response| [(response, 1), (response, 0)]) {
        let mut relay = support::exchange::relay_with_request(
            format!("GET / HTTP/1.{version}\r\nHost: a\r\n\r\n").as_bytes(),
            true,
        );
        let mut client = MemoryStream::with_input(b"");
        let (record, after, _) =
            run_exchange(&mut relay, &mut client, &mut MemoryStream::with_input(response).ending_with(StreamEnd::Fin));
        assert!(record.failure.is_some());
        let fin = after == AfterClient::Linger;
        let (messages, _) = strict_parser::responses(&client.sent, "GET", fin).unwrap();
        assert_eq!(
            messages.last().map(|message| message.end),
            Some(End::Truncated),
            "{version} {}",
            response.escape_ascii()
        );
        if !fin {
            assert_eq!(after, AfterClient::Abort);
            continue; // every parser reports a reset
        }
        on_tokio(async {
            let (ours, mut theirs) = tokio::io::duplex(1 << 20);
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.expect("a handshake");
            let request = hyper::Request::new(http_body_util::Empty::<hyper::body::Bytes>::new());
            let backend = async {
                assert_ne!(theirs.read_buf(&mut Vec::with_capacity(1_000)).await.expect("a request"), 0);
                theirs.write_all(&client.sent).await.expect("space to write");
                theirs.shutdown().await.expect("a shutdown");
            };
            let client = async {
                let response = sender.send_request(request).await.expect("a head");
                assert!(response.into_body().collect().await.is_err(), "hyper took it for complete");
            };
            let (_, (), ()) = tokio::join!(connection, backend, client);
        });
    }
}

#[test]
fn reason_phrase_is_forwarded() {
    for (response, line) in [
        (
            b"HTTP/1.1 200 Tr\xc3\xa8s bien\r\nContent-Length: 0\r\n\r\n".as_slice(),
            b"HTTP/1.1 200 Tr\xc3\xa8s bien\r\n".as_slice(),
        ),
        (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 \r\n"),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 \r\n"),
    ] {
        let mut relay = support::exchange::relay_with_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true);
        let mut client = MemoryStream::with_input(b"");
        run_exchange(&mut relay, &mut client, &mut MemoryStream::with_input(response));
        assert!(client.sent.starts_with(line), "{}", strict_parser::show(&client.sent));
    }
}
