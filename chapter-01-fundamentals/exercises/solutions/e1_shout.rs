//! Exercise 1.1, solved.
//!
//! Two things were missing: the loop (a `read` gives what has arrived, not what was sent) and the capitals, which
//! `make_ascii_uppercase` writes in place and without a look at bytes that are no letters.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Serves clients, one after another, until accepting fails.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (mut client, _) = listener.accept()?;
        // One client's reset is no reason to leave the others waiting.
        let _ = answer(&mut client);
    }
}

/// Answers one client until it has sent its last byte.
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
