//! Exercise 1.1: shout back (warm-up).
//!
//! **Contract.** [`serve`] answers every byte it receives with the same byte, `a` to `z` as `A` to `Z`; all other bytes
//! come back as they are, NUL and the bytes of `é` included. It serves one client after another. A client that ends
//! its sending side still gets all that it is owed, and then the end of the stream. A client that resets the
//! connection ends only itself.

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
    let received = client.read(&mut buffer)?;
    client.write_all(&buffer[..received])
}
