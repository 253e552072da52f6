//! Connects to a backend with a timeout.
//!
//! On a blocking socket, `connect` waits until the kernel gives up: two minutes, for a host that drops packets. So
//! the sockets are non-blocking, and `poll` reports when a handshake is over. It also waits for several at once: a
//! backend's next address is tried while the first one has not answered yet (Happy Eyeballs, RFC 8305).

use std::{io, net::TcpStream, os::fd::AsFd as _, time::Instant};

use common::{
    clock::now,
    http::ProxyError,
    net::{ConnectAttempt, ConnectPlan, ConnectStep, check_not_self_connect, connect_error, connect_nonblocking},
    shutdown::{Shutdown, ShutdownStage},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, poll},
};
use smallvec::{SmallVec, smallvec};

use crate::{poll::poll_timeout, socket::Socket};

/// Carries out `plan`, which says what address to try when.
///
/// # Errors
/// Side `Backend` if no address accepted the connection; `Internal` if this process cannot open another socket,
/// which is not the backend's fault.
// ANCHOR: connect
pub fn connect(mut plan: ConnectPlan<TcpStream>, shutdown: &Shutdown) -> Result<Socket, ProxyError> {
    loop {
        match plan.next_step(now()) {
            ConnectStep::Start(address) => match connect_nonblocking(address) {
                Ok(stream) => plan.started(stream),
                Err(error) => plan.start_failed(error),
            },
            ConnectStep::Wait(until) => {
                let Some(ended) = wait_for_any(plan.pending(), until, shutdown).map_err(connect_error)? else {
                    continue;
                };
                match connect_result(&plan.pending()[ended]) {
                    Ok(()) => return Ok(Socket::from_connected(plan.succeed(ended, now()).socket)),
                    Err(error) => plan.fail(ended, error, now()),
                }
            }
            ConnectStep::Failed(error) => return Err(error),
        }
    }
}
// ANCHOR_END: connect

/// Waits until one of the handshakes ends, and returns which; `None` at `until`.
fn wait_for_any(
    pending: &[ConnectAttempt<TcpStream>],
    until: Instant,
    shutdown: &Shutdown,
) -> io::Result<Option<usize>> {
    let Some(timeout) = poll_timeout(until) else { return Ok(None) };
    let mut fds: SmallVec<[PollFd<'_>; 2]> =
        smallvec![PollFd::new(shutdown.fd(ShutdownStage::Stopping), PollFlags::POLLIN)];
    fds.extend(pending.iter().map(|attempt| PollFd::new(attempt.socket.as_fd(), PollFlags::POLLOUT)));
    match poll(&mut fds, timeout) {
        Err(Errno::EINTR) => return Ok(None),
        Err(error) => return Err(error.into()),
        Ok(_) if shutdown.stage() == ShutdownStage::Stopping => return Err(io::ErrorKind::Interrupted.into()),
        Ok(_) => {}
    }
    Ok(fds[1..].iter().position(|fd| fd.any().unwrap_or(true)))
}

/// The result of a handshake that has ended: the socket is writable, and `SO_ERROR` holds the error.
fn connect_result(attempt: &ConnectAttempt<TcpStream>) -> io::Result<()> {
    if let Some(error) = attempt.socket.take_error()? {
        return Err(error);
    }
    check_not_self_connect(attempt.socket.local_addr()?, attempt.address)
}
