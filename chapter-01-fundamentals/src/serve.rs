//! Two ways to share one server among clients: one after another, or each on a thread of its own.

use std::{
    io,
    net::SocketAddr,
    thread::{self, Scope},
    time::Duration,
};

use common::shutdown::{Shutdown, ShutdownStage};
use nix::errno::Errno;

use crate::{poll::wait_readable, socket::Socket, tcp_echo::echo};

/// Enough for the buffer of `echo`; the default of 2 MiB is address space for nothing.
const STACK_BYTES: usize = 128 * 1024;
/// How long to leave the listener alone when descriptors have run out: it stays readable, and asking again
/// at once would be a loop that burns a core.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

// ANCHOR: iterative
/// Serves clients one after another, until the program is to end. While one is idle, the next ones wait.
pub fn serve_iterative(listener: Socket, shutdown: &Shutdown) -> io::Result<()> {
    while let Some((client, address)) = accept_client(&listener, shutdown)? {
        handle_client(client, address, shutdown);
    }
    Ok(listener.close()?)
}
// ANCHOR_END: iterative

// ANCHOR: threads
/// Serves each client on a thread of its own, until the program is to end and all threads have.
pub fn serve_thread_per_client(listener: Socket, shutdown: &Shutdown) -> io::Result<()> {
    thread::scope(|scope| {
        while let Some((client, address)) = accept_client(&listener, shutdown)? {
            spawn_client_thread(scope, client, address, shutdown);
        }
        Ok(listener.close()?)
    })
}
// ANCHOR_END: threads

/// A closure that is not run is dropped, and the client in it is closed.
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

/// A conversation and its log line. What goes wrong in it is this client's trouble alone.
fn handle_client(client: Socket, address: SocketAddr, shutdown: &Shutdown) {
    match echo(&client, shutdown).and_then(|echoed| client.close().map(|()| echoed)) {
        Ok(echoed) => tracing::info!("{address}: {echoed} bytes echoed"),
        Err(error) => tracing::info!("{address}: connection failed: {error}"),
    }
}

// ANCHOR: accept
/// Waits for a client; `None` once the program is to end.
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
                // Once: the listener stays readable, and ten lines a second would say nothing more.
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

/// The connection was undone before we came to it; `ENOTCONN` is getpeername's word for that.
fn is_connection_error(error: Errno) -> bool {
    matches!(
        error,
        Errno::ECONNABORTED | Errno::ENOTCONN | Errno::EPROTO | Errno::EPERM | Errno::EHOSTUNREACH | Errno::ENETUNREACH
    )
}

/// This process or the whole system has no descriptor or no memory left for another client.
fn is_resource_exhausted(error: Errno) -> bool {
    matches!(error, Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM)
}
