//! The thread's sleep: `poll(2)` on two sockets, the shutdown and a deadline.
//!
//! A thread that blocked in `read` would be deaf to everything else: to the other socket, to the end of
//! its patience, to the signal that asks it to stop. `poll` listens to all of them at once. Chapter 5
//! turns this inside out: one thread sleeps once for all its connections.

use std::{
    io,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use common::{
    http::Interest,
    shutdown::{Shutdown, ShutdownStage},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::socket::Socket;

/// Why a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeReason {
    /// A socket is ready; it knows for what.
    Ready,
    /// The deadline passed.
    TimedOut,
    /// The shutdown has gone beyond the stage that the caller knew.
    ShutdownStage,
}

/// Sleeps until a socket is ready for what is wanted of it, the shutdown goes beyond `known`, or the
/// deadline passes. A client of which nothing is wanted is still watched for its reset.
pub fn poll_sockets(
    client: (&mut Socket, Interest),
    backend: Option<(&mut Socket, Interest)>,
    shutdown: &Shutdown,
    known: ShutdownStage,
    deadline: Instant,
) -> io::Result<WakeReason> {
    let (client, client_wants) = client;
    let backend = backend.filter(|(_, interest)| !interest.is_none());
    loop {
        let Some(timeout) = poll_timeout(deadline) else { return Ok(WakeReason::TimedOut) };
        let next = if known == ShutdownStage::Running { ShutdownStage::Draining } else { ShutdownStage::Stopping };
        let stage = shutdown.fd(next);
        // Who has hung up for good and is wanted for nothing would end every sleep at once.
        let nobody = || PollFd::new(stage, PollFlags::empty());
        // ANCHOR: poll
        let client_matters = !(client.hung_up && client_wants.is_none());
        let mut fds = [
            PollFd::new(stage, PollFlags::POLLIN),
            if client_matters { poll_fd(client, client_wants) } else { nobody() },
            backend.as_ref().map_or_else(nobody, |(socket, interest)| poll_fd(socket, *interest)),
        ];
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) | Ok(0) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        // ANCHOR_END: poll
        let events = fds.map(|fd| fd.revents().unwrap_or(PollFlags::POLLERR));
        if !events[0].is_empty() {
            return Ok(WakeReason::ShutdownStage);
        }
        update_readiness(client, events[1]);
        if let Some((socket, _)) = backend {
            update_readiness(socket, events[2]);
        }
        return Ok(WakeReason::Ready);
    }
}

fn poll_fd(socket: &Socket, interest: Interest) -> PollFd<'_> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::POLLIN, interest.read);
    flags.set(PollFlags::POLLOUT, interest.write);
    PollFd::new(socket.stream().as_fd(), flags)
}

fn update_readiness(socket: &mut Socket, events: PollFlags) {
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    socket.readable |= events.intersects(PollFlags::POLLIN | gone);
    socket.writable |= events.intersects(PollFlags::POLLOUT | gone);
    socket.hung_up |= events.intersects(PollFlags::POLLHUP);
    socket.failed |= events.intersects(PollFlags::POLLERR | PollFlags::POLLNVAL);
}

/// The time left, in the milliseconds of `poll`; `None` when there is none. Rounded up: to wake early would be
/// to wake twice.
#[expect(clippy::disallowed_methods, reason = "the engine's clock")]
pub fn poll_timeout(deadline: Instant) -> Option<PollTimeout> {
    let remaining = deadline.saturating_duration_since(Instant::now());
    if remaining.is_zero() {
        return None;
    }
    let millis = remaining.saturating_add(Duration::from_nanos(999_999)).as_millis();
    Some(PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX))
}
