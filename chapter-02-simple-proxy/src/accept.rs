//! A thread per client: the accept loop, its limit, and the drain.
//!
//! The limit is kept by not accepting: a client beyond it waits in the kernel's queue and is served when
//! another leaves. To accept and refuse it would cost more and please nobody.

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

/// Enough for the machine and its head on the stack; the default of 2 MiB is address space for nothing.
const STACK_BYTES: usize = 256 * 1024;
/// How long threads may take to notice that the process stops now.
const FORCED_STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Accepts clients and serves each on its own thread, until the shutdown; then drains.
///
/// Drain: accepts until the queue is empty, closes the listener, and waits for the clients that are left
/// until `drain` has passed or the stage is [`Stage::Now`].
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
        // Those who wait in the queue were let in by the kernel: they are served when others leave.
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

/// How far the queue of waiting clients was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AcceptOutcome {
    /// As far as it can be now.
    QueueEmpty,
    /// Until there was no slot.
    AtLimit,
}

/// Sleeps until a client can be accepted; `false` once the process drains.
fn wait_for_client(listener: &TcpListener, slots: &ClientSemaphore, shutdown: &Shutdown) -> io::Result<bool> {
    let source = if slots.limiter.has_capacity() { listener.as_fd() } else { slots.wake_rx.as_fd() };
    let mut fds =
        [PollFd::new(shutdown.fd(ShutdownStage::Draining), PollFlags::POLLIN), PollFd::new(source, PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    slots.clear_wakes();
    Ok(!shutdown.is_draining())
}

fn accept_pending<S>(
    listener: &TcpListener,
    slots: &Arc<ClientSemaphore>,
    serve: &Arc<S>,
    connection: &mut u32,
    shutdown: &Shutdown,
) -> io::Result<AcceptOutcome>
where
    S: Fn(TcpStream, u32) + Send + Sync + 'static,
{
    while let Some(slot) = ClientSemaphore::try_acquire(slots) {
        match listener.accept() {
            Ok((stream, _)) => {
                *connection = connection.wrapping_add(1);
                if let Err(error) = spawn_client_thread(stream, *connection, slot, Arc::clone(serve)) {
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

fn spawn_client_thread<S>(stream: TcpStream, connection: u32, slot: ClientPermit, serve: Arc<S>) -> io::Result<()>
where
    S: Fn(TcpStream, u32) + Send + Sync + 'static,
{
    let client = thread::Builder::new().name("client".into()).stack_size(STACK_BYTES);
    client.spawn(move || {
        serve(stream, connection);
        drop(slot);
    })?;
    Ok(())
}

/// Leaves the listener alone for a moment. It stays readable, and asking again at once would be a loop that
/// burns a core.
fn pause_accepting(reason: &str, shutdown: &Shutdown) {
    tracing::warn!("{reason}");
    let mut fds = [PollFd::new(shutdown.fd(ShutdownStage::Draining), PollFlags::POLLIN)];
    let _ = poll(&mut fds, PollTimeout::try_from(ACCEPT_PAUSE).unwrap_or(PollTimeout::ZERO));
}

/// How many clients there are, and a way to wait for one to leave.
#[derive(Debug)]
struct ClientSemaphore {
    limiter: ConnectionLimiter,
    /// A byte arrives here when a slot is given back and none was free, or none is taken any more.
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

    fn try_acquire(slots: &Arc<Self>) -> Option<ClientPermit> {
        slots.limiter.try_acquire().then(|| ClientPermit(Arc::clone(slots)))
    }

    fn release(&self) {
        let was_full = self.limiter.release();
        if was_full || self.limiter.open() == 0 {
            // A full socket buffer is as good a wake-up as one more byte.
            let _ = io::Write::write(&mut &self.wake_tx, &[1]);
        }
    }

    fn clear_wakes(&self) {
        let mut bytes = [0; 64];
        while matches!(io::Read::read(&mut &self.wake_rx, &mut bytes), Ok(n) if n == bytes.len()) {}
    }

    /// Waits until a client leaves; `false` when `by` came first, or the stage that ends all patience.
    fn wait_for_permit(&self, deadline: Instant, shutdown: &Shutdown) -> io::Result<bool> {
        self.wait_until(ConnectionLimiter::has_capacity, deadline, Some(shutdown))
    }

    /// Waits until no client is left; `false` when `by` came first, or the stage that ends all patience.
    fn wait_until_all_released(&self, deadline: Instant, shutdown: Option<&Shutdown>) -> io::Result<bool> {
        self.wait_until(|limiter| limiter.open() == 0, deadline, shutdown)
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

/// One client's place; given back when dropped, also by a panic.
#[derive(Debug)]
struct ClientPermit(Arc<ClientSemaphore>);

impl Drop for ClientPermit {
    fn drop(&mut self) {
        self.0.release();
    }
}
