//! Waits with `poll(2)` for two sockets, the shutdown and a deadline.
//!
//! A thread blocked in `read` would not react to the other socket, to a deadline, or to the shutdown. `poll` waits
//! for all of them at once. Chapter 5 inverts this: one thread waits for all of its connections at once.

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

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeReason {
    /// A socket is ready; its readiness flags are updated.
    Ready,
    /// The deadline passed.
    TimedOut,
    /// The shutdown has passed the stage that the caller has seen.
    ShutdownStage,
}

/// Waits until a socket is ready for its interest, the shutdown passes `seen_stage`, or the deadline expires. A
/// client without interest is still watched for a reset.
pub fn poll_sockets(
    client: (&mut Socket, Interest),
    backend: Option<(&mut Socket, Interest)>,
    shutdown: &Shutdown,
    seen_stage: ShutdownStage,
    deadline: Instant,
) -> io::Result<WakeReason> {
    let (client, client_wants) = client;
    let backend = backend.filter(|(_, interest)| !interest.is_none());
    loop {
        let Some(timeout) = poll_timeout(deadline) else { return Ok(WakeReason::TimedOut) };
        let next = if seen_stage == ShutdownStage::Running { ShutdownStage::Draining } else { ShutdownStage::Stopping };
        let stage = shutdown.fd(next);
        // A client that has hung up and has no interest would end every wait at once, so it is not polled.
        let unwatched = || PollFd::new(stage, PollFlags::empty());
        // ANCHOR: poll
        let watch_client = !(client.hung_up && client_wants.is_none());
        let mut fds = [
            PollFd::new(stage, PollFlags::POLLIN),
            if watch_client { poll_fd(client, client_wants) } else { unwatched() },
            backend.as_ref().map_or_else(unwatched, |(socket, interest)| poll_fd(socket, *interest)),
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
    let closed = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    socket.readable |= events.intersects(PollFlags::POLLIN | closed);
    socket.writable |= events.intersects(PollFlags::POLLOUT | closed);
    socket.hung_up |= events.intersects(PollFlags::POLLHUP);
    socket.failed |= events.intersects(PollFlags::POLLERR | PollFlags::POLLNVAL);
}

/// The time until `deadline`, in the milliseconds of `poll`; `None` once it has passed. Rounded up, because waking
/// early would mean waking twice.
#[expect(clippy::disallowed_methods, reason = "the engine's clock")]
pub fn poll_timeout(deadline: Instant) -> Option<PollTimeout> {
    let remaining = deadline.saturating_duration_since(Instant::now());
    if remaining.is_zero() {
        return None;
    }
    let millis = remaining.saturating_add(Duration::from_nanos(999_999)).as_millis();
    Some(PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX))
}
