//! Exercise 1.2, solved.
//!
//! The counts live outside the function that may fail, so that no `?` can lose them, and each count is made right
//! after the call that it counts: `write_all` would not say how far it came. The address is the one that `accept`
//! gave: after a reset, the socket no longer knows it.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Serves clients, one after another, until accepting fails; logs each.
#[expect(clippy::disallowed_methods, reason = "how long a real client stayed")]
pub fn serve(listener: &TcpListener, log: &mut dyn Write) -> io::Result<()> {
    loop {
        let (client, address) = listener.accept()?;
        let accepted = Instant::now();
        let mut call = Call { address: canonical(address), bytes_in: 0, bytes_out: 0, lasted: Duration::ZERO };
        // How it ended is the client's affair; what was counted until then is ours.
        let _ = echo(&client, &mut call);
        call.lasted = accepted.elapsed();
        // Closed before it is logged: a slow log must not keep the client.
        drop(client);
        let _ = log.write_all(format!("{call}\n").as_bytes()).and_then(|()| log.flush());
    }
}

/// One client's visit, as the log tells it.
#[derive(Debug)]
struct Call {
    address: SocketAddr,
    bytes_in: u64,
    bytes_out: u64,
    lasted: Duration,
}

impl fmt::Display for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, bytes_in, bytes_out, lasted } = self;
        write!(out, "{address} {bytes_in} bytes in, {bytes_out} out, {:.1} ms", lasted.as_secs_f64() * 1000.0)
    }
}

/// An IPv4 address that wears an IPv6 one, unmasked. A real IPv6 address is left whole: it may have a scope.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Echoes until the client has sent its last byte.
fn echo(mut client: &TcpStream, call: &mut Call) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let received = match client.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        call.bytes_in += received as u64;
        send_all(client, &buffer[..received], &mut call.bytes_out)?;
    }
}

/// `write_all`, which counts what the kernel took as it goes.
fn send_all(mut client: &TcpStream, mut bytes: &[u8], taken: &mut u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match client.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(sent) => {
                *taken += sent as u64;
                bytes = &bytes[sent..];
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
