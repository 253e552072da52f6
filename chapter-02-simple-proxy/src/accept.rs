//! A thread per client: the accept loop, its connection limit, and the drain.
//!
//! At the limit the proxy stops accepting: further clients wait in the kernel's accept queue and are served when
//! others disconnect. Accepting and rejecting them would cost more and serve no client.

use std::{
    io,
    net::{TcpListener, TcpStream},
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use common::{
    clock::now,
    net::{ACCEPT_PAUSE, AcceptError, ConnectionLimiter},
    shutdown::{Shutdown, ShutdownStage},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::poll::poll_timeout;

/// Enough for the relay and its head on the stack; the default of 2 MiB would waste address space.
const STACK_BYTES: usize = 256 * 1024;
/// How long client threads may take to end after [`ShutdownStage::Stopping`].
const FORCED_STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Accepts clients and serves each on its own thread, until the shutdown; then drains.
///
/// Draining accepts until the accept queue is empty, closes the listener, and waits for the remaining clients
/// until `drain` has passed or the stage is [`ShutdownStage::Stopping`].
pub fn accept_loop<S>(
    listener: TcpListener,
    max_clients: usize,
    drain: Duration,
    shutdown: &Shutdown,
    serve: S,
) -> io::Result<()>
where
    S: Fn(TcpStream, u32) + Send + Sync + 'static,
{
    let permits = Arc::new(ClientSemaphore::new(max_clients)?);
    let serve = Arc::new(serve);
    let mut connection_id = 0;
    while wait_for_client(&listener, &permits, shutdown)? {
        accept_pending(&listener, &permits, &serve, &mut connection_id, shutdown)?;
    }
    let deadline = now() + drain;
    while accept_pending(&listener, &permits, &serve, &mut connection_id, shutdown)? == AcceptOutcome::AtLimit {
        // The kernel has completed the handshakes of the queued clients: they are served when others disconnect.
        if !permits.wait_for_permit(deadline, shutdown)? {
            break;
        }
    }
    drop(listener);
    if !permits.wait_until_all_released(deadline, Some(shutdown))? {
        shutdown.stop();
        permits.wait_until_all_released(now() + FORCED_STOP_TIMEOUT, None)?;
    }
    Ok(())
}

/// Why accepting stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AcceptOutcome {
    /// No more clients can be accepted now: the accept queue is empty, or accepting has failed.
    QueueEmpty,
    /// The connection limit is reached.
    AtLimit,
}

/// Waits until a client can be accepted; `false` once the process drains.
fn wait_for_client(listener: &TcpListener, permits: &ClientSemaphore, shutdown: &Shutdown) -> io::Result<bool> {
    let source = if permits.limiter.has_capacity() { listener.as_fd() } else { permits.wake_rx.as_fd() };
    let mut fds =
        [PollFd::new(shutdown.fd(ShutdownStage::Draining), PollFlags::POLLIN), PollFd::new(source, PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    permits.clear_wakes();
    Ok(!shutdown.is_draining())
}

fn accept_pending<S>(
    listener: &TcpListener,
    permits: &Arc<ClientSemaphore>,
    serve: &Arc<S>,
    connection_id: &mut u32,
    shutdown: &Shutdown,
) -> io::Result<AcceptOutcome>
where
    S: Fn(TcpStream, u32) + Send + Sync + 'static,
{
    while let Some(permit) = ClientSemaphore::try_acquire(permits) {
        match listener.accept() {
            Ok((stream, _)) => {
                *connection_id = connection_id.wrapping_add(1);
                if let Err(error) = spawn_client_thread(stream, *connection_id, permit, Arc::clone(serve)) {
                    pause_accepting(
                        &format!(
                            "cannot start a thread for a client: {error}; raise `ulimit -u` or lower --max-clients"
                        ),
                        shutdown,
                    );
                    return Ok(AcceptOutcome::QueueEmpty);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(AcceptOutcome::QueueEmpty),
            Err(error) => match AcceptError::classify(&error) {
                AcceptError::Transient => {}
                AcceptError::Fatal => return Err(error),
                AcceptError::Exhausted => {
                    pause_accepting(
                        &format!("cannot accept: {error}; raise `ulimit -n` or lower --max-clients"),
                        shutdown,
                    );
                    return Ok(AcceptOutcome::QueueEmpty);
                }
            },
        }
    }
    Ok(AcceptOutcome::AtLimit)
}

fn spawn_client_thread<S>(stream: TcpStream, connection_id: u32, permit: ClientPermit, serve: Arc<S>) -> io::Result<()>
where
    S: Fn(TcpStream, u32) + Send + Sync + 'static,
{
    let client = thread::Builder::new().name("client".into()).stack_size(STACK_BYTES);
    client.spawn(move || {
        serve(stream, connection_id);
        drop(permit);
    })?;
    Ok(())
}

/// Pauses accepting for a moment. The listener stays readable, so retrying at once would be a busy loop.
fn pause_accepting(reason: &str, shutdown: &Shutdown) {
    tracing::warn!("{reason}");
    let mut fds = [PollFd::new(shutdown.fd(ShutdownStage::Draining), PollFlags::POLLIN)];
    let _ = poll(&mut fds, PollTimeout::try_from(ACCEPT_PAUSE).unwrap_or(PollTimeout::ZERO));
}

/// Counts the connected clients, and can wait for one to disconnect.
#[derive(Debug)]
struct ClientSemaphore {
    limiter: ConnectionLimiter,
    /// Receives a byte when a permit is released while none was free, and when the last permit is released.
    wake_rx: UnixStream,
    wake_tx: UnixStream,
}

impl ClientSemaphore {
    fn new(limit: usize) -> io::Result<Self> {
        let (wake_rx, wake_tx) = UnixStream::pair()?;
        wake_rx.set_nonblocking(true)?;
        wake_tx.set_nonblocking(true)?;
        Ok(Self { limiter: ConnectionLimiter::new(limit), wake_rx, wake_tx })
    }

    fn try_acquire(permits: &Arc<Self>) -> Option<ClientPermit> {
        permits.limiter.try_acquire().then(|| ClientPermit(Arc::clone(permits)))
    }

    fn release(&self) {
        let was_full = self.limiter.release();
        if was_full || self.limiter.open_connections() == 0 {
            // If the socket buffer is full, a wake-up is pending anyway.
            let _ = io::Write::write(&mut &self.wake_tx, &[1]);
        }
    }

    fn clear_wakes(&self) {
        let mut bytes = [0; 64];
        while matches!(io::Read::read(&mut &self.wake_rx, &mut bytes), Ok(n) if n == bytes.len()) {}
    }

    /// Waits until a permit is free; `false` if `deadline` passes or the stage becomes
    /// [`ShutdownStage::Stopping`] first.
    fn wait_for_permit(&self, deadline: Instant, shutdown: &Shutdown) -> io::Result<bool> {
        self.wait_until(ConnectionLimiter::has_capacity, deadline, Some(shutdown))
    }

    /// Waits until all permits are released; `false` if `deadline` passes or the stage becomes
    /// [`ShutdownStage::Stopping`] first.
    fn wait_until_all_released(&self, deadline: Instant, shutdown: Option<&Shutdown>) -> io::Result<bool> {
        self.wait_until(|limiter| limiter.open_connections() == 0, deadline, shutdown)
    }

    fn wait_until(
        &self,
        condition: impl Fn(&ConnectionLimiter) -> bool,
        deadline: Instant,
        shutdown: Option<&Shutdown>,
    ) -> io::Result<bool> {
        while !condition(&self.limiter) {
            let Some(timeout) = poll_timeout(deadline) else { return Ok(false) };
            let freed = PollFd::new(self.wake_rx.as_fd(), PollFlags::POLLIN);
            let stop = shutdown
                .map_or(freed.clone(), |shutdown| PollFd::new(shutdown.fd(ShutdownStage::Stopping), PollFlags::POLLIN));
            match poll(&mut [freed, stop], timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.clear_wakes();
            if shutdown.is_some_and(|shutdown| shutdown.stage() == ShutdownStage::Stopping) {
                return Ok(condition(&self.limiter));
            }
        }
        Ok(true)
    }
}

/// The permit of one client; released on drop, including during a panic.
#[derive(Debug)]
struct ClientPermit(Arc<ClientSemaphore>);

impl Drop for ClientPermit {
    fn drop(&mut self) {
        self.0.release();
    }
}
