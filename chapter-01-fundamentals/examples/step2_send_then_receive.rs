//! The naive echo client: it sends everything, then receives everything.
//!
//! It works up to a certain size. Beyond it, both sides deadlock: the server cannot send while the client does not
//! receive, so it stops receiving, and the client's send never returns. A timeout makes the deadlock visible here.
//! The finished client is `echo_client`, which sends and receives at once.
#![expect(clippy::unwrap_used, reason = "the naive version does not handle errors either")]

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use common::outln;

/// Without it, the program would hang for ever.
const WRITE_TIMEOUT: Duration = Duration::from_millis(500);

// ANCHOR: naive
fn send_then_receive(mut server: TcpStream, message: &[u8]) -> io::Result<Vec<u8>> {
    server.write_all(message)?;
    server.shutdown(Shutdown::Write)?;
    let mut echo = Vec::new();
    server.read_to_end(&mut echo)?;
    Ok(echo)
}
// ANCHOR_END: naive

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A correct echo server: copies until the end of the stream.
            thread::spawn(move || io::copy(&mut &client, &mut &client));
        }
    });
    for size in [1000, 100_000, 100_000_000] {
        let server = TcpStream::connect(address).unwrap();
        server.set_write_timeout(Some(WRITE_TIMEOUT)).unwrap();
        match send_then_receive(server, &vec![b'x'; size]) {
            Ok(echo) => outln!("{size} bytes: {} came back", echo.len()),
            Err(_) => outln!("{size} bytes: stuck, neither side can go on"),
        }
    }
}
