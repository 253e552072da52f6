//! Two server models: iterative (one client after another), and a thread per client.

use std::{
    io,
    net::SocketAddr,
    thread::{self, Scope},
    time::Duration,
};

use common::shutdown::{Shutdown, ShutdownStage};
use nix::errno::Errno;

use crate::{poll::wait_readable, socket::Socket, tcp_echo::echo};

/// Enough for the buffer of `echo`; the default of 2 MiB would waste address space.
const STACK_BYTES: usize = 128 * 1024;
/// How long accepting pauses when file descriptors run out: the listener stays readable, so retrying at once would
/// be a busy loop.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

// ANCHOR: iterative
/// Serves clients one after another, until shutdown. While the current client is idle, all others wait.
pub fn serve_iterative(listener: Socket, shutdown: &Shutdown) -> io::Result<()> {
    while let Some((client, address)) = accept_client(&listener, shutdown)? {
        handle_client(client, address, shutdown);
    }
    Ok(listener.close()?)
}
// ANCHOR_END: iterative

// ANCHOR: threads
/// Serves each client on its own thread, until shutdown; returns when all threads have ended.
pub fn serve_thread_per_client(listener: Socket, shutdown: &Shutdown) -> io::Result<()> {
    thread::scope(|scope| {
        while let Some((client, address)) = accept_client(&listener, shutdown)? {
            spawn_client_thread(scope, client, address, shutdown);
        }
        Ok(listener.close()?)
    })
}
// ANCHOR_END: threads

/// If the thread cannot be spawned, its closure is dropped, which closes the connection.
fn spawn_client_thread<'scope>(
    scope: &'scope Scope<'scope, '_>,
    client: Socket,
    address: SocketAddr,
    shutdown: &'scope Shutdown,
) {
    let thread = thread::Builder::new().name("client".into()).stack_size(STACK_BYTES);
    if let Err(error) = thread.spawn_scoped(scope, move || handle_client(client, address, shutdown)) {
        tracing::warn!("{address}: connection closed: cannot spawn a thread: {error}");
    }
}

/// Serves one client and logs the result. An error ends only this client's connection.
fn handle_client(client: Socket, address: SocketAddr, shutdown: &Shutdown) {
    match echo(&client, shutdown).and_then(|echoed| client.close().map(|()| echoed)) {
        Ok(echoed) => tracing::info!("{address}: {echoed} bytes echoed"),
        Err(error) => tracing::info!("{address}: connection failed: {error}"),
    }
}

// ANCHOR: accept
/// Waits for a client; `None` once shutdown has begun.
fn accept_client(listener: &Socket, shutdown: &Shutdown) -> nix::Result<Option<(Socket, SocketAddr)>> {
    let mut warned = false;
    while wait_readable(listener, shutdown)? {
        match listener.accept().and_then(|client| client.peer_address().map(|address| (client, address))) {
            Ok(client) => return Ok(Some(client)),
            Err(Errno::EAGAIN) => {}
            Err(error) if is_connection_error(error) => {
                tracing::info!("connection aborted before it was accepted: {error}");
            }
            Err(error) if is_resource_exhausted(error) => {
                // Logged once: the listener stays readable, and ten lines a second would add nothing.
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!("cannot accept: {error}; raise the open file limit (`ulimit -n`)");
                }
                shutdown.wait_timeout(ShutdownStage::Draining, ACCEPT_BACKOFF);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
// ANCHOR_END: accept

/// The client's connection failed before it was accepted; getpeername reports that as `ENOTCONN`.
fn is_connection_error(error: Errno) -> bool {
    matches!(
        error,
        Errno::ECONNABORTED | Errno::ENOTCONN | Errno::EPROTO | Errno::EPERM | Errno::EHOSTUNREACH | Errno::ENETUNREACH
    )
}

/// The process or the system is out of file descriptors or memory.
fn is_resource_exhausted(error: Errno) -> bool {
    matches!(error, Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM)
}
