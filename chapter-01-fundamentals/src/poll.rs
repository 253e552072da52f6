//! Waits with poll(2) until a socket is ready or shutdown begins, whichever comes first.
//!
//! A thread blocked in recv(2) wakes up only when bytes arrive, so a server that shuts down would have to wait for
//! its idle clients. poll(2) waits for several descriptors at once, and the shutdown signal is one of them
//! ([`Shutdown::fd`]).

use std::os::fd::AsFd as _;

use common::shutdown::{Shutdown, ShutdownStage};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::socket::Socket;

/// How long shutdown waits for a client that does not read its echo.
const DRAIN_WRITE_TIMEOUT_MS: u16 = 2_000;

// ANCHOR: readable
/// Waits until there is something to receive, or to accept; `false` once shutdown has begun.
pub fn wait_readable(socket: &Socket, shutdown: &Shutdown) -> nix::Result<bool> {
    while !shutdown.is_draining() {
        let event = PollFd::new(socket.as_fd(), PollFlags::POLLIN);
        let stop = PollFd::new(shutdown.fd(ShutdownStage::Draining), PollFlags::POLLIN);
        let mut fds = [event, stop];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) if fds[0].any() == Some(true) => return Ok(true),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
// ANCHOR_END: readable

/// Waits until the socket is writable. Received bytes are still echoed after shutdown has begun, so the client gets
/// `DRAIN_WRITE_TIMEOUT_MS` to read them; `false` if the socket does not become writable in that time.
pub fn wait_writable(socket: &Socket, shutdown: &Shutdown) -> nix::Result<bool> {
    while shutdown.stage() < ShutdownStage::Stopping {
        let (stage, limit) = if shutdown.is_draining() {
            (ShutdownStage::Stopping, PollTimeout::from(DRAIN_WRITE_TIMEOUT_MS))
        } else {
            (ShutdownStage::Draining, PollTimeout::NONE)
        };
        let event = PollFd::new(socket.as_fd(), PollFlags::POLLOUT);
        let mut fds = [event, PollFd::new(shutdown.fd(stage), PollFlags::POLLIN)];
        match poll(&mut fds, limit) {
            Ok(0) => return Ok(false),
            Ok(_) if fds[0].any() == Some(true) => return Ok(true),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::MsgFlags;

    use super::*;
    use crate::listener::bind_tcp_listener;

    fn pair() -> (std::net::TcpStream, Socket) {
        let listener = bind_tcp_listener("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = std::net::TcpStream::connect(listener.local_address().unwrap()).unwrap();
        assert!(wait_readable(&listener, &Shutdown::new().unwrap()).unwrap());
        (client, listener.accept().unwrap())
    }

    #[test]
    fn shutdown_ends_the_wait_for_bytes() {
        let (_client, server) = pair();
        let shutdown = Shutdown::new().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| wait_readable(&server, &shutdown));
            shutdown.drain();
            assert_eq!(waiting.join().unwrap(), Ok(false));
        });
    }

    #[test]
    fn shutdown_gives_up_on_a_client_that_does_not_read() {
        let (_client, server) = pair();
        let shutdown = Shutdown::new().unwrap();
        while server.send(&[7; 16_384], MsgFlags::MSG_DONTWAIT).is_ok() {}
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| wait_writable(&server, &shutdown));
            shutdown.drain();
            shutdown.stop();
            assert_eq!(waiting.join().unwrap(), Ok(false));
        });
    }
}
