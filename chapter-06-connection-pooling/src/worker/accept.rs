//! A worker's clients: accepted here, or handed over by another worker.

use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream},
    rc::Rc,
    task::{Context, Poll},
};

use common::{
    clock::now,
    http::StreamLayer,
    net::{ACCEPT_PAUSE, AcceptError, AcceptedConnection},
    shutdown::ShutdownStage,
};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc::UnboundedReceiver,
    task::spawn_local,
    time::sleep,
};

use super::context::WorkerContext;
use crate::{
    downstream::client_connection::{ClientConnection, ConnectionGuard},
    serve::serve,
    upstream::socket_pool,
};

/// What comes next to a worker that takes in clients.
enum AcceptEvent {
    /// This client, accepted here.
    Accepted(TcpStream, SocketAddr),
    /// This one, accepted elsewhere.
    HandedOff(AcceptedConnection<StdStream>),
    /// Accepting has failed.
    Failed(io::Error),
    /// Nobody comes any more.
    Closed,
}

/// Takes in clients until the process drains and nobody waits in the kernel's queue.
pub(crate) async fn accept<L: StreamLayer>(
    worker: &Rc<WorkerContext>,
    layer: &impl Fn() -> L,
    listener: StdListener,
    door: &mut UnboundedReceiver<AcceptedConnection<StdStream>>,
) -> io::Result<()> {
    // Accepted sockets inherit it, which saves a system call for each (Linux; elsewhere it is set on each).
    SockRef::from(&listener).set_tcp_nodelay(true)?;
    let address = listener.local_addr()?;
    let listener = TcpListener::from_std(listener)?;
    let task = worker.register();
    let outcome = loop {
        match poll_fn(|context| poll_accept(worker, &listener, door, task, context)).await {
            AcceptEvent::Accepted(stream, peer) => {
                // A listener of all addresses does not know which of them it was. Who has left already is nobody's client.
                let local = if address.ip().is_unspecified() { stream.local_addr() } else { Ok(address) };
                match local {
                    Ok(local) => serve_or_hand_off(worker, layer, stream, peer, local),
                    Err(_) => worker.handoff().release(),
                }
            }
            AcceptEvent::HandedOff(accepted) => start_handed_off(worker, layer, accepted),
            AcceptEvent::Failed(error) => match AcceptError::classify(&error) {
                AcceptError::Transient => {}
                AcceptError::Fatal => break Err(error),
                AcceptError::Exhausted => {
                    if worker.handoff().fd_pressure.is_new(now()) {
                        tracing::warn!("cannot accept: {error}; raise `ulimit -n` or lower --max-clients");
                    }
                    if !socket_pool::evict_one(worker) {
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            },
            AcceptEvent::Closed => break Ok(()),
        }
    };
    worker.unregister(task);
    outcome
}

fn poll_accept(
    worker: &WorkerContext,
    listener: &TcpListener,
    door: &mut UnboundedReceiver<AcceptedConnection<StdStream>>,
    task: usize,
    context: &mut Context<'_>,
) -> Poll<AcceptEvent> {
    worker.set_waker(task, context);
    if let Poll::Ready(Some(newcomer)) = door.poll_recv(context) {
        return Poll::Ready(AcceptEvent::HandedOff(newcomer));
    }
    if worker.stage() == ShutdownStage::Stopping {
        return Poll::Ready(AcceptEvent::Closed);
    }
    if !worker.handoff().try_acquire(context.waker()) {
        return Poll::Pending;
    }
    let drains = worker.stage() > ShutdownStage::Running;
    let accepted = if drains { Poll::Ready(accept_without_poller(listener)) } else { listener.poll_accept(context) };
    if let Poll::Ready(Ok((stream, peer))) = accepted {
        return Poll::Ready(AcceptEvent::Accepted(stream, peer));
    }
    // A place is a client's, not a worker's that waits for one.
    worker.handoff().release();
    match accepted {
        Poll::Ready(Err(error)) if drains && error.kind() == ErrorKind::WouldBlock => Poll::Ready(AcceptEvent::Closed),
        Poll::Ready(Err(error)) => Poll::Ready(AcceptEvent::Failed(error)),
        _ => Poll::Pending,
    }
}

/// Asks the kernel itself: of those who came last the poller has not heard yet, and to close the listener would reset them.
fn accept_without_poller(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = SockRef::from(listener).accept()?;
    socket.set_nonblocking(true)?;
    let peer = peer.as_socket().ok_or(ErrorKind::InvalidInput)?;
    Ok((TcpStream::from_std(socket.into())?, peer))
}

/// Serves the client here, or hands it to the worker with the fewest. Who drains keeps what it has accepted.
fn serve_or_hand_off<L: StreamLayer>(
    worker: &Rc<WorkerContext>,
    layer: &impl Fn() -> L,
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
) {
    if worker.stage() > ShutdownStage::Running {
        worker.handoff().per_worker.increment(worker.worker_id);
        return start_connection(worker, layer, stream, peer, local);
    }
    let chosen = worker.handoff().per_worker.assign_worker(worker.worker_id);
    if chosen == worker.worker_id {
        return start_connection(worker, layer, stream, peer, local);
    }
    let Ok(stream) = stream.into_std() else { return worker.handoff().connection_closed(chosen) };
    if let Err(accepted) = worker.handoff().hand_off(chosen, AcceptedConnection { stream, peer, local }) {
        // That one takes nobody any more.
        worker.handoff().per_worker.decrement(chosen);
        worker.handoff().per_worker.increment(worker.worker_id);
        start_handed_off(worker, layer, accepted);
    }
}

/// Begins to serve a client that was accepted on another worker, or for another worker.
pub(crate) fn start_handed_off<L: StreamLayer>(
    worker: &Rc<WorkerContext>,
    layer: &impl Fn() -> L,
    accepted: AcceptedConnection<StdStream>,
) {
    let AcceptedConnection { stream, peer, local } = accepted;
    let Ok(stream) = TcpStream::from_std(stream) else { return worker.handoff().connection_closed(worker.worker_id) };
    start_connection(worker, layer, stream, peer, local);
}

/// Begins to serve a client that has its place and is counted.
fn start_connection<L: StreamLayer>(
    worker: &Rc<WorkerContext>,
    layer: &impl Fn() -> L,
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
) {
    #[cfg(not(target_os = "linux"))]
    let _ = stream.set_nodelay(true); // of no client that is still there
    let client = ClientConnection::new(ConnectionGuard::new(worker), layer(), stream, peer, local, now());
    spawn_local(serve(client));
}

#[cfg(test)]
mod tests {
    use common::http::Plaintext;

    use super::*;

    fn future_size<F: Future>(_: impl Fn(ClientConnection<Plaintext>) -> F) -> usize {
        size_of::<F>()
    }

    /// Ten thousand idle clients have ten thousand of them.
    #[test]
    fn client_task_future_is_small() {
        let bytes = future_size(serve);
        assert!(bytes <= 700, "{bytes} bytes");
    }
}
