//! The naive echo server: it takes one `read` for one message.
//!
//! It works for a word typed by hand. Its client here sends two things that TCP allows and the server does not
//! handle: a message that arrives in two pieces, and one that is longer than the buffer. The finished server is
//! `echo_server`.
#![expect(clippy::unwrap_used, reason = "the naive version does not handle errors either")]

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use common::outln;

// ANCHOR: naive
fn serve_one(mut client: TcpStream) {
    let mut message = [0; 4096];
    let length = client.read(&mut message).unwrap();
    client.write_all(&message[..length]).unwrap();
}
// ANCHOR_END: naive

/// Sends `pieces`, each after the echo of the one before has arrived, and counts the bytes sent and echoed.
fn exchange(server: SocketAddr, pieces: &[&[u8]]) -> (usize, usize) {
    let mut client = TcpStream::connect(server).unwrap();
    client.set_nodelay(true).unwrap();
    let (mut sent, mut echo) = (0, Vec::new());
    for piece in pieces {
        let mut part = vec![0; piece.len()];
        if client.write_all(piece).is_err() {
            break;
        }
        sent += piece.len();
        // The first piece has come back, so the server read it on its own.
        let back = client.read(&mut part).unwrap_or(0);
        echo.extend_from_slice(&part[..back]);
    }
    let _ = client.shutdown(Shutdown::Write);
    // An error is a reset: the server closed with unread bytes in its receive buffer.
    let _ = client.read_to_end(&mut echo);
    (sent, echo.len())
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let cases: [(&str, &[&[u8]]); 3] = [
        ("one short message", &[b"hello"]),
        ("one message in two pieces", &[b"hel", b"lo"]),
        ("one message of 10000 bytes", &[&[b'x'; 10_000]]),
    ];
    let serving = thread::spawn(move || (0..3).for_each(|_| serve_one(listener.accept().unwrap().0)));
    for (what, pieces) in cases {
        let (sent, echoed) = exchange(server, pieces);
        let result = if sent == echoed { "right" } else { "WRONG" };
        outln!("{what}: {echoed} of {sent} bytes came back: {result}");
    }
    serving.join().unwrap();
}
