//! Exercise 1.2: connection log (an hour).
//!
//! **Contract.** [`serve`] echoes every byte, one client after another. When a connection has ended, for whatever
//! reason, it writes one line about it to `log`, in a single call of `write`, so that lines of several programs do not
//! interleave:
//!
//! ```text
//! 127.0.0.1:54321 5 bytes in, 5 out, 1.2 ms
//! ```
//!
//! The address is the client's; an IPv4 client that reached an IPv6 listener (`::ffff:127.0.0.1`) is written as IPv4.
//! *In* is the exact number of bytes received, *out* the number that the kernel accepted for sending, even if the
//! client resets the connection. The time runs from accept to the end of the connection, in milliseconds with one
//! decimal. If the log cannot be written, serving continues.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Serves clients, one after another, until accepting fails; logs each.
pub fn serve(listener: &TcpListener, log: &mut dyn Write) -> io::Result<()> {
    loop {
        let (mut client, address) = listener.accept()?;
        if let Ok(echoed) = echo(&mut client) {
            writeln!(log, "{address} {echoed} bytes in, {echoed} out, 0.0 ms")?;
        }
    }
}

/// Echoes until the client ends its sending side; returns how many bytes were echoed.
fn echo(client: &mut TcpStream) -> io::Result<u64> {
    let mut buffer = [0; 4096];
    let mut echoed = 0;
    loop {
        let received = client.read(&mut buffer)?;
        if received == 0 {
            return Ok(echoed);
        }
        client.write_all(&buffer[..received])?;
        echoed += received as u64;
    }
}
