//! A thread that waits for something that is no socket: its turn in a queue, or the end of a back-off.
//!
//! It must not sleep as `thread::sleep` does, deaf to a client that leaves and to the end of the process. So what it
//! waits for rings a bell that `poll(2)` hears like any socket.

use std::{
    io::{self, Read, Write},
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::Arc,
    task::{Wake, Waker},
    time::Instant,
};

use common::{
    http::{FailureKind, Phase, ProxyError, Side},
    shutdown::{Shutdown, ShutdownStage},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, poll},
};
use simple_proxy::{poll::poll_timeout, socket::Socket};

/// A bell that whoever has its [`Waker`] can ring.
#[derive(Debug)]
pub(crate) struct WakePipe {
    reader: UnixStream,
    writer: Arc<WakePipeWriter>,
}

#[derive(Debug)]
struct WakePipeWriter(UnixStream);

impl Wake for WakePipeWriter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A full buffer has rung already.
        let _ = (&self.0).write(&[1]);
    }
}

impl WakePipe {
    /// A bell that nobody has rung.
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, rope) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        Ok(Self { reader, writer: Arc::new(WakePipeWriter(rope)) })
    }

    /// What rings it.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.writer))
    }

    fn clear(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.reader).read(&mut bytes), Ok(read) if read == bytes.len()) {}
    }
}

/// How a pause ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitOutcome {
    /// The bell rang.
    Woken,
    /// The time is over.
    TimedOut,
}

/// Waits until `by`, or until the bell rings.
///
/// # Errors
/// The client has reset its connection, or the process stops now. Either ends the request.
pub(crate) fn wait_until(
    client: &Socket,
    bell: Option<&WakePipe>,
    shutdown: &Shutdown,
    deadline: Instant,
) -> Result<WaitOutcome, ProxyError> {
    let failed = |kind, side| ProxyError::new(kind, side, Phase::Connect);
    loop {
        let Some(timeout) = poll_timeout(deadline) else { return Ok(WaitOutcome::TimedOut) };
        let shutdown_now = shutdown.fd(ShutdownStage::Stopping);
        // No events are asked of the client: errors and a hang-up are reported without.
        let mut fds = [
            PollFd::new(shutdown_now, PollFlags::POLLIN),
            PollFd::new(client.stream().as_fd(), PollFlags::empty()),
            bell.map_or_else(
                || PollFd::new(shutdown_now, PollFlags::empty()),
                |bell| PollFd::new(bell.reader.as_fd(), PollFlags::POLLIN),
            ),
        ];
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) | Ok(0) => continue,
            Err(error) => return Err(failed(FailureKind::ResourceExhausted, Side::Internal).with_source(error.into())),
            Ok(_) => {}
        }
        let [now, client, woken] = fds.map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        if now {
            return Err(failed(FailureKind::Unavailable, Side::Internal));
        }
        if client {
            return Err(failed(FailureKind::Reset, Side::Client));
        }
        if let Some(bell) = bell.filter(|_| woken) {
            bell.clear();
            return Ok(WaitOutcome::Woken);
        }
    }
}
