//! Connects to a backend with a timeout.
//!
//! On a blocking socket, `connect` waits until the kernel gives up: two minutes, for a host that drops packets. So
//! the socket is non-blocking, and `poll` reports when the handshake is over.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use common::{
    clock::now,
    http::ProxyError,
    net::{ConnectPlan, check_not_self_connect, connect_nonblocking},
    shutdown::{Shutdown, ShutdownStage},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, poll},
};

use crate::{poll::poll_timeout, socket::Socket};

/// Tries `addresses` in order within `timeout`, which [`ConnectPlan`] divides among them.
///
/// # Errors
/// Side `Backend` if no address accepted the connection; `Internal` if this process cannot open another socket,
/// which is not the backend's fault.
pub fn connect(
    addresses: impl ExactSizeIterator<Item = SocketAddr>,
    timeout: Duration,
    shutdown: &Shutdown,
) -> Result<Socket, ProxyError> {
    let mut plan = ConnectPlan::new(addresses, now() + timeout);
    while let Some((address, deadline)) = plan.next_address(now()) {
        match connect_address(address, deadline, shutdown) {
            Ok(stream) => return Ok(Socket::from_connected(stream)),
            Err(error) => plan.record_failure(error),
        }
    }
    Err(plan.take_error())
}

fn connect_address(address: SocketAddr, deadline: Instant, shutdown: &Shutdown) -> io::Result<TcpStream> {
    let (stream, connected) = connect_nonblocking(address)?;
    if !connected {
        wait_connected(&stream, deadline, shutdown)?;
    }
    check_not_self_connect(stream.local_addr()?, address)?;
    Ok(stream)
}

/// Waits for the end of the handshake: the socket becomes writable, and `SO_ERROR` holds the result.
fn wait_connected(stream: &TcpStream, deadline: Instant, shutdown: &Shutdown) -> io::Result<()> {
    loop {
        let Some(timeout) = poll_timeout(deadline) else { return Err(io::ErrorKind::TimedOut.into()) };
        let mut fds = [
            PollFd::new(stream.as_fd(), PollFlags::POLLOUT),
            PollFd::new(shutdown.fd(ShutdownStage::Stopping), PollFlags::POLLIN),
        ];
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) | Ok(0) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) if shutdown.stage() == ShutdownStage::Stopping => return Err(io::ErrorKind::Interrupted.into()),
            Ok(_) => {}
        }
        return stream.take_error()?.map_or(Ok(()), Err);
    }
}
