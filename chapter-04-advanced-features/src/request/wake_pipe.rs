//! A wake pipe: lets a thread wait for a queue or a back-off timer and still notice its client and the shutdown.
//!
//! `thread::sleep` or a condition variable would miss a client that resets its connection and the end of the process.
//! So the waker makes a descriptor readable, and one `poll(2)` watches it together with the client's socket.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
    sync::Arc,
    task::{Wake, Waker},
    time::Instant,
};
#[cfg(not(target_os = "linux"))]
use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
};

use common::{
    http::{FailureKind, Phase, ProxyError, Side},
    shutdown::{Shutdown, ShutdownStage},
};
#[cfg(target_os = "linux")]
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, poll},
};
use simple_proxy::{poll::poll_timeout, socket::Socket};

/// What a thread polls; its [`Waker`] makes it readable.
#[derive(Debug)]
pub(crate) struct WakePipe(Arc<Pipe>);

impl WakePipe {
    /// A wake pipe without a pending wake-up.
    pub(crate) fn new() -> io::Result<Self> {
        Pipe::new().map(Arc::new).map(Self)
    }

    /// The waker that makes it readable.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }
}

impl Wake for Pipe {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}

/// On Linux a counter that is readable while it is not 0, which needs one descriptor: a queued request has no
/// connection to a backend, and the limit of clients assumes two descriptors for each.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Pipe(EventFd);

#[cfg(target_os = "linux")]
impl Pipe {
    fn new() -> io::Result<Self> {
        Ok(Self(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?))
    }

    fn notify(&self) {
        let _ = self.0.write(1); // fails only after 2^64 wake-ups
    }

    fn clear(&self) {
        let _ = self.0.read(); // fails if there was no wake-up
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Elsewhere a pair of sockets.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
struct Pipe {
    reader: UnixStream,
    writer: UnixStream,
}

#[cfg(not(target_os = "linux"))]
impl Pipe {
    fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self { reader, writer })
    }

    fn notify(&self) {
        // If the buffer is full, a wake-up is pending already.
        let _ = (&self.writer).write(&[1]);
    }

    fn clear(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.reader).read(&mut bytes), Ok(read) if read == bytes.len()) {}
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitOutcome {
    /// The waker was called.
    Woken,
    /// The deadline has passed.
    TimedOut,
}

/// Waits until `deadline`.
///
/// # Errors
/// The client has reset its connection, or the process reached [`ShutdownStage::Stopping`]. Either ends the request.
pub(crate) fn wait_until(client: &Socket, shutdown: &Shutdown, deadline: Instant) -> Result<(), ProxyError> {
    poll_until((client, PollFlags::empty()), None, shutdown, deadline).map(|_| ())
}

/// Waits until `deadline`, or until the waker of `wake_pipe` is called.
///
/// # Errors
/// As for [`wait_until`], or the client has sent FIN. Its request has not been sent yet, and most clients that close
/// their side have given up.
pub(crate) fn wait_for_wake(
    client: &Socket,
    wake_pipe: &WakePipe,
    shutdown: &Shutdown,
    deadline: Instant,
) -> Result<WaitOutcome, ProxyError> {
    poll_until((client, FIN), Some(wake_pipe), shutdown, deadline)
}

/// A FIN, also behind bytes that have not been read: the first request of a pipeline may wait while the second is in
/// the socket. `poll(2)` reports it on Linux only; elsewhere the client is answered.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FIN: PollFlags = PollFlags::from_bits_retain(nix::libc::POLLRDHUP); // nix has no name for it
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FIN: PollFlags = PollFlags::empty();

fn poll_until(
    (client, client_events): (&Socket, PollFlags),
    wake_pipe: Option<&WakePipe>,
    shutdown: &Shutdown,
    deadline: Instant,
) -> Result<WaitOutcome, ProxyError> {
    let failed = |kind, side| ProxyError::new(kind, side, Phase::Connect);
    loop {
        let Some(timeout) = poll_timeout(deadline) else { return Ok(WaitOutcome::TimedOut) };
        let shutdown_fd = shutdown.fd(ShutdownStage::Stopping);
        let mut fds = [
            PollFd::new(shutdown_fd, PollFlags::POLLIN),
            // Errors and hang-ups are reported without being asked for.
            PollFd::new(client.stream().as_fd(), client_events),
            wake_pipe.map_or_else(
                || PollFd::new(shutdown_fd, PollFlags::empty()),
                |wake_pipe| PollFd::new(wake_pipe.0.fd(), PollFlags::POLLIN),
            ),
        ];
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) | Ok(0) => continue,
            Err(error) => return Err(failed(FailureKind::ResourceExhausted, Side::Internal).with_source(error.into())),
            Ok(_) => {}
        }
        // `None`: flags that nix has no name for.
        let [stopping, client_left, woken] = fds.map(|fd| fd.revents().is_none_or(|events| !events.is_empty()));
        if stopping {
            return Err(failed(FailureKind::ShuttingDown, Side::Internal));
        }
        if client_left {
            let has_error = client.stream().take_error().map_or(true, |error| error.is_some());
            let kind =
                if !client_events.is_empty() && !has_error { FailureKind::ClosedInQueue } else { FailureKind::Reset };
            return Err(failed(kind, Side::Client));
        }
        if let Some(wake_pipe) = wake_pipe.filter(|_| woken) {
            wake_pipe.0.clear();
            return Ok(WaitOutcome::Woken);
        }
    }
}
