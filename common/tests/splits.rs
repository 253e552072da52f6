//! Parsing does not depend on how the bytes were split into reads.

mod support;

use std::time::SystemTime;

use common::http::{AfterClient, Head, ProxyError, Pumped, Relay, pump};
use proptest::prelude::*;
use support::{
    exchange::{SCRATCH_BYTES, begin_request, date},
    memory_stream::{MemoryStream, StreamEnd},
    reference_validator::{self, Validation},
    strict_parser::{self, Message, show},
};

/// Start lines, most of them valid.
const START_LINES: [&str; 28] = [
    "GET / HTTP/1.1",
    "GET /a?b=c HTTP/1.1",
    "POST /x HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "GET http://a/x HTTP/1.1",
    "GET HTTP://A?q HTTP/1.1",
    "GET http://a:80/ HTTP/1.1",
    "GET http://a:/ HTTP/1.1",
    "GET https://A:443/ HTTP/1.1",
    "GET https://[::1]:443/ HTTP/1.1",
    "GET /^?\"<\\> HTTP/1.1",
    "GET http://a/\\?x HTTP/1.1",
    "GET / HTTP/1.0",
    "M-SEARCH /{|}` HTTP/1.1",
    "\r\nGET / HTTP/1.1",
    "GET / HTTP/1.2",
    "GET / HTTP/2.0",
    "PRI * HTTP/2.0",
    "CONNECT a:1 HTTP/1.1",
    "GET  / HTTP/1.1",
    "GET /",
    "GET * HTTP/1.1",
    "GET a HTTP/1.1",
    "GET /\\ HTTP/1.1",
    "GET / HTTP/1.1 ",
    "GET / http/1.1",
    "\r\n\r\nGET / HTTP/1.1",
    "GET /\t HTTP/1.1",
];

/// Header lines: valid, valid in some combinations, and malformed.
const HEADER_LINES: [&str; 55] = [
    "Host: a",
    "Host: a",
    "Host: a",
    "host:A",
    "Host: [::1]:80",
    "Host: [::1]",
    "Host: a:080",
    "Host: a:443",
    "Host: a:",
    "Host: a:65536",
    "Host:",
    "Host: a b",
    "Host: u@a",
    "Host: a%20b",
    "Host: a%2",
    "Accept: */*",
    "X: 1",
    "x:\t 2 \t",
    "X-Latin: caf\u{e9}",
    "Empty:",
    "Cookie: a=b; c=d",
    "Expect: 100-continue",
    "Content-Length: 5",
    "Content-Length: 0",
    "content-length:005",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 18446744073709551616",
    "Content-Length: 0x5",
    "Content-Length:",
    "Transfer-Encoding: chunked",
    "transfer-encoding: Chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding:",
    "Transfer-Encoding: gzip",
    "Transfer_Encoding: chunked",
    "Connection: close",
    "Connection: keep-alive, X",
    "Connection: Host",
    "Connection: x, content-length",
    "Connection: a b",
    "Connection: keep-alive; timeout=5",
    "Connection: , upgrade,",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "No colon",
    ": nothing",
    "Space : x",
    " folded",
    "\tfolded",
    "X: a\rb",
    "X: \x00",
];

const MUTATIONS: [&[u8]; 18] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b"\x00",
    b"\x7f",
    b"\x80",
    b"\xff",
    b",",
    b"0",
    b"/",
    b"#",
    b"HTTP/1.1",
    b"\x0b",
    b"\n\n",
];

fn head() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop_oneof![
        9 => prop::collection::vec(prop::sample::select(&HEADER_LINES[..]), 0..6),
        1 => prop::collection::vec(prop::sample::select(&HEADER_LINES[15..20]), 90..110),
    ];
    let mutation = (any::<prop::sample::Index>(), prop::sample::select(&MUTATIONS[..]), 0usize..3);
    let start = prop_oneof![2 => Just("GET / HTTP/1.1"), 1 => prop::sample::select(&START_LINES[..])];
    let host = prop::option::weighted(0.7, Just("Host: a"));
    (start, host, lines, prop::collection::vec(mutation, 0..2), "[ -~\r\n]{0,20}").prop_map(
        |(start, host, lines, mutations, after)| {
            let all = [vec![start], host.into_iter().collect(), lines].concat();
            let mut bytes: Vec<u8> = all.join("\r\n").into_bytes();
            bytes.extend_from_slice(b"\r\n\r\n");
            for (at, mutation, removed) in mutations {
                let at = at.index(bytes.len());
                bytes.splice(at..bytes.len().min(at + removed), mutation.iter().copied());
            }
            bytes.extend_from_slice(after.as_bytes());
            bytes
        },
    )
}

/// The parsed content of a head, without its encoding.
fn parsed(head: &Head, bytes: &[u8]) -> impl PartialEq + std::fmt::Debug + use<> {
    let view = head.view(bytes);
    let fields: Vec<_> = view.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    (view.method_name().to_vec(), view.target().to_vec(), view.version(), view.authority().map(<[u8]>::to_vec), fields)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn head_in_pieces_is_parsed_like_the_same_head_at_once(
        bytes in head(),
        pieces in prop::collection::vec(1usize..30, 1..12),
    ) {
        let mut at_once = Head::new();
        let expected = at_once.read_request(&bytes, &mut 0);
        let mut in_pieces = Head::new();
        let (mut end, mut scanned) = (0, 0);
        let mut got = Ok(None);
        for piece in pieces.iter().cycle() {
            if end == bytes.len() || got != Ok(None) {
                break;
            }
            end = bytes.len().min(end + piece);
            got = in_pieces.read_request(&bytes[..end], &mut scanned);
            prop_assert_eq!(got, Head::new().read_request(&bytes[..end], &mut 0), "`scanned` changed the result");
        }
        prop_assert_eq!(got, expected, "{}", show(&bytes));
        if let Ok(Some(length)) = got {
            prop_assert_eq!(parsed(&in_pieces, &bytes[..length]), parsed(&at_once, &bytes[..length]));
        }
    }

    #[test]
    fn head_is_accepted_or_rejected_like_the_reference_validator(bytes in head()) {
        let mut head = Head::new();
        let got = head.read_request(&bytes, &mut 0);
        let expected = reference_validator::request_head(&bytes);
        let agree = match (&got, &expected) {
            (Ok(Some(length)), Validation::Accepted(expected)) => length == expected,
            (Ok(Some(_)), Validation::Rejected(statuses)) => statuses.iter().all(|status| *status == 0),
            (Ok(None), Validation::Incomplete) => true,
            (Err(refusal), Validation::Rejected(statuses)) => {
                statuses.contains(&refusal.status()) || statuses.contains(&0) && refusal.status() == 400
            }
            _ => false,
        };
        prop_assert!(agree, "{:?} but {:?}: {}", got, expected, show(&bytes));
    }
}

#[test]
fn limits_hold_for_every_split() {
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(40_000)).into_bytes();
    let long_field = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(40_000)).into_bytes();
    let base = b"GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    let exact = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(32 * 1024 - base)).into_bytes();
    for (bytes, expected) in [(&long_target, Some(414)), (&long_field, Some(431)), (&exact, None)] {
        for piece in [1, 1000, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, 100_000] {
            let (mut head, mut scanned, mut end) = (Head::new(), 0, 0);
            let got = loop {
                end = bytes.len().min(end + piece);
                match head.read_request(&bytes[..end], &mut scanned) {
                    Ok(None) => {
                        assert!(
                            end < bytes.len() && end < 32 * 1024,
                            "beyond the limit, and still asks for more bytes"
                        );
                    }
                    got => break got,
                }
            };
            assert_eq!(got.err().map(common::http::ProtocolError::status), expected, "in pieces of {piece}");
        }
    }
}

/// Requests with bodies of each framing, complete and malformed.
const REQUESTS: [&[u8]; 9] = [
    b"GET /1 HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n",
    b"HEAD /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /3 HTTP/1.0\r\nHost: a\r\n\r\n",
    b"POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz",
    b"POST /5 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nA;x=y\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n",
    b"POST /6 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /next HTTP/1.1\r\n",
    b"POST /7 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /next HTTP/1.1\r\n",
    b"POST /8 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    b"POST /9 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
];

const RESPONSES: [&[u8]; 17] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX: 1\r\n\r\n0123456789",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A ;x=\"y\"\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end\r\n\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the end",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\nabXd\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nbad trailer\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Le",
    b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 099 Odd\r\n\r\n",
    b"HTTQ/1.1 200 OK\r\n\r\n",
];

/// How one run of an exchange splits its bytes; each list is cycled through.
#[derive(Debug, Clone)]
struct Splits {
    /// The sizes of the client's reads; 0 is a step without any bytes.
    client: Vec<usize>,
    backend: Vec<usize>,
    client_writes: Vec<usize>,
    backend_writes: Vec<usize>,
    scratch: usize,
}

/// The request at the backend, the responses at the client, what happens to the client's connection, and the pipelined
/// bytes.
type ExchangeResult = (Option<Message>, Vec<Message>, AfterClient, Vec<u8>);

/// Runs an exchange whose backend responds once it has read the complete request, then closes.
fn run_exchange(request: &[u8], response: &[u8], splits: &Splits) -> ExchangeResult {
    let mut relay = Relay::new();
    let head = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a complete head") + 4;
    begin_request(&mut relay, &request[..head], true).expect("no body, no error");
    relay.attempt(false);
    let (mut client, mut backend) = (MemoryStream::default(), MemoryStream::default());
    let mut scratch = vec![0; splits.scratch];
    let (mut client_sent, mut backend_sent, mut failed) = (head, 0, false);
    for step in 0..100_000 {
        let split = |list: &[usize]| list[step % list.len()];
        let next = request.len().min(client_sent + split(&splits.client));
        client.input.extend(&request[client_sent..next]);
        client_sent = next;
        let read = !failed
            && strict_parser::request(&backend.sent)
                .expect("well formed")
                .is_some_and(|it| it.end == strict_parser::End::Complete);
        if read {
            let next = response.len().min(backend_sent + split(&splits.backend));
            backend.input.extend(&response[backend_sent..next]);
            backend_sent = next;
            backend.input_end = (backend_sent == response.len()).then_some(StreamEnd::Fin);
        }
        (client.max_read, backend.max_read) = (usize::MAX, usize::MAX);
        (client.write_capacity, backend.write_capacity) = (split(&splits.client_writes), split(&splits.backend_writes));
        match pump(&mut relay, &mut client, &mut backend, &mut scratch, date) {
            Ok(Pumped::Done) => {
                let (_, after, _) = relay.end();
                let method =
                    std::str::from_utf8(&request[..request.iter().position(|byte| *byte == b' ').unwrap_or(0)])
                        .expect("text");
                let (messages, rest) =
                    strict_parser::responses(&client.sent, method, after == AfterClient::Linger).expect("well formed");
                assert!(rest.is_empty(), "bytes after the response: {}", show(rest));
                let pipelined =
                    [relay.take_pipelined(), client.input.drain(..).collect(), request[client_sent..].to_vec()]
                        .concat();
                let to_backend = strict_parser::request(&backend.sent).expect("well formed");
                return (to_backend, messages, after, pipelined);
            }
            Ok(_) => {}
            Err(error) => {
                failed = true;
                let error: ProxyError = error;
                relay.fail(&error, SystemTime::UNIX_EPOCH);
            }
        }
    }
    panic!("the exchange never ends")
}

/// Removes what may differ between splits: the length of the encoding, because chunks are split again.
fn normalized(mut result: ExchangeResult) -> ExchangeResult {
    for message in result.0.iter_mut().chain(&mut result.1) {
        message.length = 0;
    }
    // How much of a truncated request the backend received depends on the split; the response to the client does not.
    if result.0.as_ref().is_some_and(|message| message.end == strict_parser::End::Truncated) {
        result.0 = None;
    }
    // Nothing more is read from a connection that will be closed.
    if result.2 != AfterClient::KeepAlive {
        result.3.clear();
    }
    result
}

fn splits() -> impl Strategy<Value = Splits> {
    let list = || {
        prop::collection::vec(prop_oneof![3 => 0usize..4, 1 => 0usize..40], 0..6).prop_map(|mut list| {
            list.push(1); // guarantees progress
            list
        })
    };
    let scratch = prop_oneof![Just(1usize), 2usize..100, Just(SCRATCH_BYTES)];
    (list(), list(), list(), list(), scratch).prop_map(|(client, backend, client_writes, backend_writes, scratch)| {
        Splits { client, backend, client_writes, backend_writes, scratch }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exchange_has_the_same_result_for_every_split(
        request in prop::sample::select(&REQUESTS[..]),
        response in prop::sample::select(&RESPONSES[..]),
        splits in splits(),
    ) {
        let all = vec![usize::MAX >> 1];
        let at_once =
            Splits { client: all.clone(), backend: all.clone(), client_writes: all.clone(), backend_writes: all, scratch: SCRATCH_BYTES };
        let expected = normalized(run_exchange(request, response, &at_once));
        let got = normalized(run_exchange(request, response, &splits));
        prop_assert_eq!(got, expected, "{} → {}", show(request), show(response));
    }
}
