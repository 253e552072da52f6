//! Exercise 1.1, solved.
//!
//! Two things were missing: the loop (a `read` returns what has arrived, which may be less than what was sent) and the
//! conversion: `make_ascii_uppercase` works in place and leaves bytes that are not letters unchanged.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Serves clients, one after another, until accepting fails.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (mut client, _) = listener.accept()?;
        // A reset of one client must not stop the server.
        let _ = answer(&mut client);
    }
}

/// Answers one client until it ends its sending side.
fn answer(client: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let received = match client.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        buffer[..received].make_ascii_uppercase();
        client.write_all(&buffer[..received])?;
    }
}
