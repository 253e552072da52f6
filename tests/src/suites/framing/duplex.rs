//! Both directions at once: a response may be streamed while its request is still being uploaded.

use std::io::Write;
use std::thread;

use crate::Context;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::checker::Framing;
use crate::client::Client;
use crate::rng::Rng;
use crate::suites::framing::chunked;

cases! { "framing";
    Fast each_chunk_is_echoed_before_the_next_is_sent,
    Fast megabytes_flow_both_ways_at_once,
}

/// Answers at once and echoes each piece of the body as it arrives.
fn echo(conn: &mut Conn) {
    let Ok(head) = conn.head() else { return };
    conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut back = conn.stream().try_clone().unwrap();
    let ended = conn.body(head.framing, &mut |piece| {
        let _ = back.write_all(format!("{:x}\r\n", piece.len()).as_bytes());
        let _ = back.write_all(piece);
        let _ = back.write_all(b"\r\n");
    });
    if ended.is_ok() {
        conn.write("0\r\n\r\n");
    }
}

/// Reads chunks until their content is `length` bytes long.
fn read_chunks(client: &mut Client, length: usize) -> Vec<u8> {
    let mut content = Vec::new();
    while content.len() < length {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.extend(client.read_exact(1));
        }
        let digits = str::from_utf8(&size[..size.len() - 2]).unwrap();
        let size = usize::from_str_radix(digits, 16).unwrap();
        assert!(size > 0, "the response ends after {} bytes", content.len());
        content.extend(client.read_exact(size));
        assert_eq!(client.read_exact(2), b"\r\n");
    }
    content
}

fn each_chunk_is_echoed_before_the_next_is_sent(ctx: &Context) {
    let backend = Backend::start(echo);
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    client.request("POST", "/duplex", "Transfer-Encoding: chunked\r\n");
    let (_, head, framing) = client.response_head("POST").unwrap();
    assert_eq!((head.status, framing), (200, Framing::Chunked));
    // The head came before the request was complete: the connection ends with this exchange.
    assert!(head.says_close(), "{head:?}");
    for turn in 0..30 {
        let piece = Rng::new(turn).bytes(1 + 1000 * usize::try_from(turn).unwrap());
        client.send([format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat());
        assert!(read_chunks(&mut client, piece.len()) == piece, "turn {turn} differs");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.read_exact(5), b"0\r\n\r\n");
    client.expect_closed();
}

fn megabytes_flow_both_ways_at_once(ctx: &Context) {
    let backend = Backend::start(echo);
    let program = ctx.start(&[backend.addr()], &[]);
    let body = Rng::new(6).bytes(3 << 20);
    for is_chunked in [true, false] {
        let mut client = program.client();
        let (field, raw) = if is_chunked {
            ("Transfer-Encoding: chunked".into(), chunked(&body, &[100_000, 3]))
        } else {
            (format!("Content-Length: {}", body.len()), body.clone())
        };
        client.request("POST", "/duplex", &format!("{field}\r\n"));
        let mut writer = client.stream();
        let writing = thread::spawn(move || writer.write_all(&raw));
        let response = client.response("POST");
        assert!(response.body == body, "the echo differs: {} bytes", response.body.len());
        writing.join().unwrap().unwrap();
    }
}
