//! TCP is a stream: a message means the same wherever it is split into segments.

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::wait::{ms, pause};

cases! { "framing";
    Fast a_request_may_be_split_at_every_byte,
    Slow a_response_may_be_split_at_every_byte,
    Fast messages_may_arrive_byte_by_byte,
}

const REQUESTS: &[&str] = &[
    "POST /s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=\"y\"\r\nde\r\n0\r\nT: v\r\n\r\n",
    "POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
];

const RESPONSES: &[&str] = &[
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=\"y\"\r\nde\r\n0\r\nT: v\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
    "HTTP/1.1 200 OK\r\nX: y\r\n\r\nabcde",
];

/// Answers with the body that it received.
fn echo() -> Backend {
    Backend::start(|conn| {
        if let Ok(request) = conn.request() {
            conn.write(ok_response(&String::from_utf8_lossy(&request.body)));
        }
    })
}

fn a_request_may_be_split_at_every_byte(ctx: &Context) {
    let backend = echo();
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for raw in REQUESTS {
        for at in 1..raw.len() {
            let (first, second) = raw.as_bytes().split_at(at);
            client.send_pieces([first, second], ms(2));
            let response = client.response("POST");
            assert_eq!(response.text(), "abcde", "cut at {at}: {}", first.escape_ascii());
        }
    }
}

fn a_response_may_be_split_at_every_byte(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        let mut numbers = request.head.target[1..].split('/').filter_map(|n| n.parse().ok());
        let (Some(row), Some(at)) = (numbers.next(), numbers.next()) else { return };
        let raw: &str = RESPONSES[row];
        conn.write(&raw[..at]);
        pause(ms(2));
        conn.write(&raw[at..]);
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for (row, raw) in RESPONSES.iter().enumerate() {
        for at in 1..raw.len() {
            let response = client.get(&format!("/{row}/{at}"));
            assert_eq!(response.text(), "abcde", "row {row} cut at {at}");
            assert!(response.end.trailers.is_empty() && !response.end.extensions);
        }
    }
}

fn messages_may_arrive_byte_by_byte(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        let raw = RESPONSES[request.body.len() % RESPONSES.len()];
        for byte in raw.as_bytes().chunks(1) {
            conn.write(byte);
            pause(ms(1));
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for raw in REQUESTS {
        client.send_pieces(raw.as_bytes().chunks(1), ms(1));
        assert_eq!(client.response("POST").text(), "abcde");
    }
}
