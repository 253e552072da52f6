//! connect(2) with a timeout.
//!
//! On a blocking socket, connect(2) waits until the kernel gives up: two minutes, for a host that drops packets. So
//! the socket is non-blocking during the handshake, and poll(2) reports when the handshake is over.

use std::{
    net::SocketAddr,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::SockType,
};

use crate::socket::Socket;

// ANCHOR: connect
/// Connects to `address` within `timeout`; the returned socket is blocking.
///
/// # Errors
/// `ETIMEDOUT` after `timeout`; else the error of the handshake, such as `ECONNREFUSED` if the port has no listener.
pub fn connect_timeout(address: SocketAddr, timeout: Duration) -> nix::Result<Socket> {
    let socket = Socket::new(address, SockType::Stream)?;
    socket.set_nonblocking(true)?;
    match socket.connect(address) {
        // After EINTR the handshake continues: to call connect again would fail with EALREADY.
        Err(Errno::EINPROGRESS | Errno::EINTR) => wait_connected(&socket, timeout)?,
        other => other?,
    }
    socket.set_nonblocking(false)?;
    Ok(socket)
}
// ANCHOR_END: connect

/// Waits for the end of the handshake: the socket becomes writable, and `SO_ERROR` holds the result.
#[expect(clippy::disallowed_methods, reason = "a deadline on real I/O")]
fn wait_connected(socket: &Socket, timeout: Duration) -> nix::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let remaining = PollTimeout::try_from(remaining).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut fds, remaining) {
            Ok(0) => return Err(Errno::ETIMEDOUT),
            Ok(_) => return socket.take_error(),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Connects to the first of `addresses` that accepts; each attempt has `timeout`.
///
/// # Errors
/// The last address that was tried and its error.
pub fn connect_first(addresses: &[SocketAddr], timeout: Duration) -> Result<Socket, String> {
    let mut last_error = "no address to connect to".to_owned();
    for &address in addresses {
        match connect_timeout(address, timeout) {
            Ok(socket) => return Ok(socket),
            Err(error) => last_error = format!("cannot connect to {address}: {error}"),
        }
    }
    Err(last_error)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn connects_or_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(connect_timeout(address, TIMEOUT).unwrap().peer_address(), Ok(address));
        drop(listener);
        assert_eq!(connect_timeout(address, TIMEOUT).unwrap_err(), Errno::ECONNREFUSED);
        let last_error = connect_first(&[address], TIMEOUT).unwrap_err();
        assert_eq!(last_error, format!("cannot connect to {address}: ECONNREFUSED: Connection refused"));
    }

    #[test]
    fn connects_to_the_first_address_that_accepts() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap();
        let dead = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
        let socket = connect_first(&[dead, alive], TIMEOUT).unwrap();
        assert_eq!(socket.peer_address(), Ok(alive));
    }
}
