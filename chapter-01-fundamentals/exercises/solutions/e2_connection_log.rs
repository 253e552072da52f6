//! Exercise 1.2, solved.
//!
//! The counters are outside the function that may fail, so that no `?` can lose them, and each is updated right after
//! the call that it counts: `write_all` does not report how much it has written before an error. The address is the
//! one that `accept` returned: after a reset, the socket no longer has it.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Serves clients, one after another, until accepting fails; logs each.
#[expect(clippy::disallowed_methods, reason = "the duration of a real connection")]
pub fn serve(listener: &TcpListener, log: &mut dyn Write) -> io::Result<()> {
    loop {
        let (client, address) = listener.accept()?;
        let accepted_at = Instant::now();
        let mut record = Record { address: canonical(address), bytes_in: 0, bytes_out: 0, duration: Duration::ZERO };
        // An error only ends the connection; the bytes counted so far are logged anyway.
        let _ = echo(&client, &mut record);
        record.duration = accepted_at.elapsed();
        // Closed before logging: a slow log must not keep the connection open.
        drop(client);
        let _ = log.write_all(format!("{record}\n").as_bytes()).and_then(|()| log.flush());
    }
}

/// The log record of one connection.
#[derive(Debug)]
struct Record {
    address: SocketAddr,
    bytes_in: u64,
    bytes_out: u64,
    duration: Duration,
}

impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, bytes_in, bytes_out, duration } = self;
        write!(out, "{address} {bytes_in} bytes in, {bytes_out} out, {:.1} ms", duration.as_secs_f64() * 1000.0)
    }
}

/// Converts an IPv4-mapped IPv6 address to IPv4. Any other IPv6 address is unchanged: it may have a scope ID.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Echoes until the client ends its sending side.
fn echo(mut client: &TcpStream, record: &mut Record) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let received = match client.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        record.bytes_in += received as u64;
        send_all(client, &buffer[..received], &mut record.bytes_out)?;
    }
}

/// As `write_all`, but counts the bytes that the kernel has taken.
fn send_all(mut client: &TcpStream, mut bytes: &[u8], bytes_out: &mut u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match client.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(sent) => {
                *bytes_out += sent as u64;
                bytes = &bytes[sent..];
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
