//! A connection to a backend, before a deadline.
//!
//! `connect` on a blocking socket waits as long as the kernel likes: two minutes, for a host that drops
//! packets. So the socket does not block, and `poll` tells when the handshake is over.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use common::{
    http::{Kind, Phase, ProxyError, Side},
    net::{connect_nonblocking, refuse_self_connect},
    shutdown::{Shutdown, Stage},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, poll},
};

use crate::{socket::Socket, wait::poll_timeout};

/// Tries `addresses` in order within `limit`. Each gets an equal share of the time that is left, so that one
/// that drops packets does not cost the others their turn.
///
/// # Errors
/// Side `Backend` when no address answered; `Internal` when this process can open no more sockets, which
/// is no backend's fault.
#[expect(clippy::disallowed_methods, reason = "the engine's clock")]
pub fn connect(
    addresses: impl ExactSizeIterator<Item = SocketAddr>,
    limit: Duration,
    shutdown: &Shutdown,
) -> Result<Socket, ProxyError> {
    let deadline = Instant::now() + limit;
    let mut left = addresses.len();
    let mut last = ProxyError::new(Kind::Connect, Side::Backend, Phase::Connect);
    for address in addresses {
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / u32::try_from(left.max(1)).unwrap_or(u32::MAX);
        left = left.saturating_sub(1);
        match connect_one(address, now + share, shutdown) {
            Ok(stream) => return Ok(Socket::connected(stream)),
            Err(error) => last = failure(error),
        }
        if last.side == Side::Internal {
            break;
        }
    }
    Err(last)
}

fn connect_one(address: SocketAddr, deadline: Instant, shutdown: &Shutdown) -> io::Result<TcpStream> {
    let (stream, connected) = connect_nonblocking(address)?;
    if !connected {
        finish(&stream, deadline, shutdown)?;
    }
    refuse_self_connect(stream.local_addr()?, address)?;
    Ok(stream)
}

/// Waits for the end of the handshake: the socket turns writable, and says how it went.
fn finish(stream: &TcpStream, deadline: Instant, shutdown: &Shutdown) -> io::Result<()> {
    loop {
        let Some(timeout) = poll_timeout(deadline) else { return Err(io::ErrorKind::TimedOut.into()) };
        let mut fds =
            [PollFd::new(stream.as_fd(), PollFlags::POLLOUT), PollFd::new(shutdown.fd(Stage::Now), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) | Ok(0) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) if shutdown.stage() == Stage::Now => return Err(io::ErrorKind::Interrupted.into()),
            Ok(_) => {}
        }
        return stream.take_error()?.map_or(Ok(()), Err);
    }
}

/// What a failed connect means. Out of descriptors or memory no other address would do better. An address that this host cannot use
/// (EADDRNOTAVAIL: no IPv6 here; EPERM: a firewall) is a failed connect like any other.
pub fn failure(error: io::Error) -> ProxyError {
    const OURS: [Errno; 4] = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    let ours = error.raw_os_error().is_some_and(|code| OURS.iter().any(|errno| *errno as i32 == code));
    let (kind, side) = match error.kind() {
        io::ErrorKind::TimedOut => (Kind::Timeout, Side::Backend),
        io::ErrorKind::Interrupted => (Kind::Unavailable, Side::Internal),
        _ if ours => (Kind::Exhausted, Side::Internal),
        _ => (Kind::Connect, Side::Backend),
    };
    ProxyError::new(kind, side, Phase::Connect).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_exhaustion_spares_the_backend() {
        for (errno, kind, side) in [
            (Errno::ECONNREFUSED, Kind::Connect, Side::Backend),
            (Errno::EADDRNOTAVAIL, Kind::Connect, Side::Backend),
            (Errno::EPERM, Kind::Connect, Side::Backend),
            (Errno::ENETUNREACH, Kind::Connect, Side::Backend),
            (Errno::ETIMEDOUT, Kind::Timeout, Side::Backend),
            (Errno::EMFILE, Kind::Exhausted, Side::Internal),
            (Errno::ENOBUFS, Kind::Exhausted, Side::Internal),
        ] {
            let error = failure(errno.into());
            assert_eq!((error.kind, error.side), (kind, side), "{errno}");
        }
    }
}
