//! Seeded random input on both sides: the balancer keeps serving, and every byte it sends is valid HTTP.

use std::time::Instant;

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::checker::{ReadError, single_request};
use crate::client::Client;
use crate::process::Program;
use crate::rng::Rng;
use crate::wait::ms;

cases! { "robustness";
    Fast ten_thousand_random_requests_leave_it_serving,
    Slow a_random_request_is_parsed_the_same_for_every_split,
    Fast two_thousand_random_responses_leave_it_serving,
}

/// Time limit of each run, however slow the machine.
const TIME_LIMIT: std::time::Duration = ms(20_000);

const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a:80/x?y=z HTTP/1.1\r\nHost: a:80\r\nX: y\r\n\r\n",
    "POST /p HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 5\r\n\r\nhello",
    "PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n",
    "GET /u HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, X-Hop\r\nUpgrade: websocket\r\nX-Hop: 1\r\n\r\n",
    "OPTIONS * HTTP/1.0\r\nX-Forwarded-For: 1.2.3.4, unknown\r\nVia: 1.0 a, 1.1 b (c)\r\n\r\n",
    "DELETE /d HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTE: trailers\r\nContent-Length: 0\r\n\r\n",
];

const RESPONSES: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n",
    "HTTP/1.0 200 OK\r\nConnection: close, x\r\nX: y\r\n\r\nhello",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nKeep-Alive: timeout=5\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
];

/// Bytes and words that often break parsers.
const FRAGMENTS: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"\"",
    b"/",
    b"\xff",
    b"0",
    b"-1",
    b"ffffffffffffffff",
    b"18446744073709551615",
    b"HTTP/1.1",
    b"HTTP/2.0",
    b"chunked",
    b"gzip",
    b"Host: b\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: host\r\n",
    b"Connection: close\r\n",
    b"Upgrade: websocket\r\n",
    b"*",
    b"http://",
];

/// One of the samples with one to four changes, or noise.
fn mutate(rng: &mut Rng, samples: &[&str]) -> Vec<u8> {
    let mut bytes = rng.pick(samples).as_bytes().to_vec();
    if rng.below(20) == 0 {
        let length = 1 + rng.below(300);
        return rng.bytes(length);
    }
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len().max(1));
        let until = (at + 1 + rng.below(12)).min(bytes.len());
        match rng.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            1 => _ = bytes.drain(at.min(until)..until),
            2 => _ = bytes.splice(at..at, rng.pick(FRAGMENTS).iter().copied()),
            3 => _ = bytes.splice(at.min(until)..until, rng.pick(FRAGMENTS).iter().copied()),
            4 => {
                let copy = bytes[at.min(until)..until].repeat(1 + rng.below(40));
                bytes.splice(at..at, copy);
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

fn ten_thousand_random_requests_leave_it_serving(ctx: &Context) {
    let backend = Backend::ok("ok");
    let mut program = ctx.start(&[backend.addr()], &[]);
    let began = Instant::now();
    let mut number = 0;
    while number < 10_000 && began.elapsed() < TIME_LIMIT {
        let mut rng = Rng::new(number);
        // Between valid requests on the same connection: if the balancer is wrong about the end of one, it
        // misreads the next.
        let mut raw = Vec::new();
        for _ in 0..rng.below(3) {
            raw.extend_from_slice(rng.pick(REQUESTS).as_bytes());
        }
        raw.extend(mutate(&mut rng, REQUESTS));
        raw.extend(mutate(&mut rng, REQUESTS));
        if let Err(what) = answers_are_http(&program, &raw) {
            panic!("seed {number}: {what}\n{}", raw.escape_ascii());
        }
        number += 1;
    }
    program.assert_running();
    assert_eq!(program.client().get("/after").status(), 200);
    println!("{number} inputs in {:?}", began.elapsed());
    for seen in backend.recordings() {
        match single_request(&seen.bytes) {
            Ok(_) | Err(ReadError::Truncated(_) | ReadError::Closed) => {}
            Err(error) => panic!("the backend was sent {error:?}\n{}", seen.bytes.escape_ascii()),
        }
    }
}

/// Sends everything and FIN; what comes back must be a sequence of well-formed responses.
fn answers_are_http(program: &Program, raw: &[u8]) -> Result<(), String> {
    let mut client = Client::connect(program.addr());
    let _ = client.try_send(raw);
    client.half_close();
    loop {
        match client.try_response("GET") {
            Ok(_) => {}
            Err(ReadError::Closed | ReadError::Reset) => return Ok(()),
            Err(error) => return Err(format!("{error:?}")),
        }
    }
}

/// The statuses a client gets for these pieces, and the requests that were forwarded, as text.
fn parsed_by_program(program: &Program, backend: &Backend, pieces: &[&[u8]]) -> (Vec<u16>, Vec<String>) {
    let before = backend.connections();
    let mut client = program.client();
    client.send_pieces(pieces.iter().copied(), ms(2));
    client.half_close();
    let mut statuses = Vec::new();
    while let Ok(response) = client.try_response("GET") {
        statuses.push(response.status());
    }
    // Whole requests only, without the one header that is new each time. How a body is chunked on the
    // way may depend on the segments.
    let mut requests = Vec::new();
    for seen in &backend.recordings()[before..] {
        if let Ok((head, body, _)) = single_request(&seen.bytes) {
            let fields: Vec<_> = head.fields.iter().filter(|(name, _)| *name != "X-Request-ID").collect();
            let body = body.escape_ascii();
            requests.push(format!("{} {} {fields:?} {body}", head.method, head.target));
        }
    }
    (statuses, requests)
}

fn a_random_request_is_parsed_the_same_for_every_split(ctx: &Context) {
    let backend = Backend::ok("ok");
    let program = ctx.start(&[backend.addr()], &[]);
    let began = Instant::now();
    for number in 0..1500 {
        if began.elapsed() > TIME_LIMIT {
            break;
        }
        let mut rng = Rng::new(1_000_000 + number);
        let mut raw = rng.pick(REQUESTS).as_bytes().to_vec();
        raw.extend(mutate(&mut rng, REQUESTS));
        raw.extend_from_slice(rng.pick(REQUESTS).as_bytes());
        let (one, rest) = raw.split_at(rng.below(raw.len()));
        let (two, three) = rest.split_at(rng.below(rest.len().max(1)));
        let whole = parsed_by_program(&program, &backend, &[&raw]);
        let split = parsed_by_program(&program, &backend, &[one, two, three]);
        assert_eq!(whole, split, "seed {number}, split at {} and {}: {}", one.len(), two.len(), raw.escape_ascii());
    }
}

fn two_thousand_random_responses_leave_it_serving(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        match request.head.target[1..].parse() {
            Ok(number) => _ = conn.write(mutate(&mut Rng::new(number), RESPONSES)),
            Err(_) => _ = conn.write(ok_response("after")),
        }
    });
    let mut program = ctx.start(&[backend.addr()], &[]);
    let began = Instant::now();
    for number in 0..2000 {
        if began.elapsed() > TIME_LIMIT {
            break;
        }
        let mut client = program.client();
        client.request("GET", &format!("/{number}"), "");
        match client.try_response("GET") {
            Ok(_) | Err(ReadError::Truncated(_) | ReadError::Reset) => {}
            Err(error) => {
                let sent = mutate(&mut Rng::new(number), RESPONSES);
                panic!("seed {number}: {error:?}\n{}", sent.escape_ascii());
            }
        }
    }
    program.assert_running();
    assert_eq!(program.client().get("/after").text(), "after");
}
