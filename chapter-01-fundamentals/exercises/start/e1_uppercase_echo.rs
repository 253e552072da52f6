//! Exercise 1.1: upper-case echo server (warm-up).
//!
//! **Contract.** [`serve`] answers every byte it receives with the same byte, `a` to `z` as `A` to `Z`; all other bytes
//! come back unchanged, including NUL and the bytes of `é`. It serves one client after another. A client that shuts
//! down its sending side still gets the rest of its answer, and then the end of the stream. A reset ends only the
//! connection of the client that sent it.

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
    let received = client.read(&mut buffer)?;
    client.write_all(&buffer[..received])
}
