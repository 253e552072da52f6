//! Response bodies that end early or break their framing: the client must be able to tell.

use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::checker::ReadError;
use crate::client::Client;
use crate::wait::{ms, pause};

cases! { "smuggling";
    Fast a_response_body_that_breaks_its_framing_never_looks_whole,
    Fast bytes_after_a_response_never_reach_a_client,
}

/// What the backend sends, and whether it then resets instead of closing.
const ROWS: &[(&[u8], bool)] = &[
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", false),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nhello", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nEVIL\r\n0\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n+4\r\nEVIL\r\n0\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0x4\r\nEVIL\r\n0\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n 4\r\nEVIL\r\n0\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4\nEVIL\r\n0\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloEVIL\r\n0\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n4\r\nEVIL\r\n0\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4 4\r\nEVIL\r\n0\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4 \nEVIL\r\n0\r\n\r\n", false),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00000000000000004\r\nEVIL\r\n0\r\n\r\n",
        false,
    ),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX : EVIL\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\n\n", false),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", true),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", true),
    (b"HTTP/1.1 200 OK\r\n\r\nhello", true),
    (b"HTTP/1.0 200 OK\r\n\r\nhello", true),
];

/// The bytes that a backend sends, and which part of them a client may receive.
const STRAY: &[(&[u8], &[u8])] = &[
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloEVIL", b"hello"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nEVIL", b""),
    (b"HTTP/1.1 204 No Content\r\n\r\nEVIL", b""),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nEVIL", b""),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nEVIL", b""),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nEVIL", b"hello"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL", b"hello"),
];

fn a_response_body_that_breaks_its_framing_never_looks_whole(ctx: &Context) {
    let backend = Backend::start(|conn| {
        let Ok(request) = conn.request() else { return };
        let (raw, reset) = ROWS[request.head.target[1..].parse::<usize>().unwrap_or(0)];
        conn.write(raw);
        if reset {
            // The balancer reads what came before the RST only if it has time to.
            pause(ms(30));
            conn.reset();
        }
    });
    let program = ctx.start(&[backend.addr()], &[]);
    for (row, (raw, _)) in ROWS.iter().enumerate() {
        for version in ["1.1", "1.0"] {
            let mut client = program.client();
            client.send(format!("GET /{row} HTTP/{version}\r\nHost: a\r\n\r\n"));
            let what = format!("{} to HTTP/{version}", raw.escape_ascii());
            assert_tells(&mut client, &what);
        }
    }
}

/// Either nothing of the response arrived and the client gets a 502, or the body is truncated.
fn assert_tells(client: &mut Client, what: &str) {
    let (_, head, framing) = client.response_head("GET").unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let mut body = Vec::new();
    let end = client.reader().body(framing, &mut |piece| body.extend_from_slice(piece));
    assert!(!body.windows(4).any(|four| four == b"EVIL"), "{what}: {}", body.escape_ascii());
    if head.status == 502 {
        end.unwrap_or_else(|error| panic!("{what}: its 502 is truncated: {error:?}"));
        return;
    }
    assert_eq!(head.status, 200, "{what}");
    assert!(b"hello".starts_with(&body), "{what}: {}", body.escape_ascii());
    match end {
        Err(ReadError::Truncated(_) | ReadError::Reset) => {}
        other => panic!("{what}: the client could take it for complete: {other:?} {framing:?}"),
    }
}

fn bytes_after_a_response_never_reach_a_client(ctx: &Context) {
    let backend = Backend::start(|conn| {
        if let Ok(request) = conn.request() {
            let row: usize = request.head.target[1..].parse().unwrap_or(0);
            conn.write(STRAY[row % STRAY.len()].0);
        }
        conn.read_until_closed();
    });
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for turn in 0..2 * STRAY.len() {
        let response = client.get(&format!("/{turn}"));
        assert_eq!(response.body, STRAY[turn % STRAY.len()].1, "row {turn}: {response:?}");
    }
    client.expect_no_input(ms(50));
}
