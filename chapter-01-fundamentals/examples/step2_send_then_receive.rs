//! The echo client as one writes it first: send everything, then receive everything.
//!
//! Up to a size it works. Beyond it, both sides wait for each other: the server cannot send what the client does not
//! receive, so it stops receiving, and the client's send never ends. A deadline makes the hang visible here. The
//! finished client is `echo_client`, which does both at once.
#![expect(clippy::unwrap_used, reason = "the naive version does not handle errors either")]

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use common::outln;

/// Without it, the program would hang until you end it.
const DEADLINE: Duration = Duration::from_millis(500);

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
            // A correct echo: whatever comes, until the end.
            thread::spawn(move || io::copy(&mut &client, &mut &client));
        }
    });
    for size in [1000, 100_000, 100_000_000] {
        let server = TcpStream::connect(address).unwrap();
        server.set_write_timeout(Some(DEADLINE)).unwrap();
        match send_then_receive(server, &vec![b'x'; size]) {
            Ok(echo) => outln!("{size} bytes: {} came back", echo.len()),
            Err(_) => outln!("{size} bytes: stuck, neither side can go on"),
        }
    }
}
