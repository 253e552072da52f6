//! A worker's connections: accepted here, or handed off by another worker.

use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream},
    rc::Rc,
    task::{Context, Poll},
};

use common::{
    clock::now,
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
    engine::Engine,
    filter::Filter as _,
    serve::serve,
    upstream::socket_pool,
};

/// The next event of a worker's accept loop.
enum AcceptEvent {
    /// A connection, accepted here.
    Accepted(TcpStream, SocketAddr),
    /// A connection, accepted by another worker.
    HandedOff(AcceptedConnection<StdStream>),
    /// Accepting has failed.
    Failed(io::Error),
    /// No more connections: the process stops, or drains and the kernel's queue is empty.
    Closed,
}

/// Accepts connections until the process drains and the kernel's queue is empty.
pub(crate) async fn accept<E: Engine>(
    worker: &Rc<WorkerContext<E>>,
    stream_layer: &impl Fn() -> E::StreamLayer,
    listener: StdListener,
    handoff_rx: &mut UnboundedReceiver<AcceptedConnection<StdStream>>,
) -> io::Result<()> {
    // Accepted sockets inherit it, which saves a system call per connection (Linux; elsewhere it is set on each).
    SockRef::from(&listener).set_tcp_nodelay(true)?;
    let address = listener.local_addr()?;
    let listener = TcpListener::from_std(listener)?;
    let task_id = worker.register();
    let outcome = loop {
        match poll_fn(|context| poll_accept(worker, &listener, handoff_rx, task_id, context)).await {
            AcceptEvent::Accepted(stream, peer) => {
                // A wildcard listener does not know which local address the client connected to. An error means that
                // the connection is closed already.
                let local = if address.ip().is_unspecified() { stream.local_addr() } else { Ok(address) };
                match local {
                    Ok(local) => serve_or_hand_off(worker, stream_layer, stream, peer, local),
                    Err(_) => worker.handoff().release(),
                }
            }
            AcceptEvent::HandedOff(accepted) => start_handed_off(worker, stream_layer, accepted),
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
    worker.unregister(task_id);
    outcome
}

fn poll_accept<E: Engine>(
    worker: &WorkerContext<E>,
    listener: &TcpListener,
    handoff_rx: &mut UnboundedReceiver<AcceptedConnection<StdStream>>,
    task_id: usize,
    context: &mut Context<'_>,
) -> Poll<AcceptEvent> {
    worker.set_waker(task_id, context);
    if let Poll::Ready(Some(accepted)) = handoff_rx.poll_recv(context) {
        return Poll::Ready(AcceptEvent::HandedOff(accepted));
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
    // Nothing was accepted: a worker that only waits must not count against the limit.
    worker.handoff().release();
    match accepted {
        Poll::Ready(Err(error)) if drains && error.kind() == ErrorKind::WouldBlock => Poll::Ready(AcceptEvent::Closed),
        Poll::Ready(Err(error)) => Poll::Ready(AcceptEvent::Failed(error)),
        _ => Poll::Pending,
    }
}

/// Calls `accept` without the poller, which may not have reported the latest connections yet: closing the listener
/// would reset them.
fn accept_without_poller(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = SockRef::from(listener).accept()?;
    socket.set_nonblocking(true)?;
    let peer = peer.as_socket().ok_or(ErrorKind::InvalidInput)?;
    Ok((TcpStream::from_std(socket.into())?, peer))
}

/// Serves the connection here, or hands it to the worker with the fewest. A draining worker keeps what it accepts.
fn serve_or_hand_off<E: Engine>(
    worker: &Rc<WorkerContext<E>>,
    stream_layer: &impl Fn() -> E::StreamLayer,
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
) {
    if worker.stage() > ShutdownStage::Running {
        worker.handoff().per_worker.increment(worker.worker_id);
        return start_connection(worker, stream_layer, stream, peer, local);
    }
    let chosen = worker.handoff().per_worker.assign_worker(worker.worker_id);
    if chosen == worker.worker_id {
        return start_connection(worker, stream_layer, stream, peer, local);
    }
    let Ok(stream) = stream.into_std() else { return worker.handoff().connection_closed(chosen) };
    if let Err(accepted) = worker.handoff().hand_off(chosen, AcceptedConnection { stream, peer, local }) {
        // The chosen worker has ended.
        worker.handoff().per_worker.decrement(chosen);
        worker.handoff().per_worker.increment(worker.worker_id);
        start_handed_off(worker, stream_layer, accepted);
    }
}

/// Starts to serve a connection that another worker has handed off, or that could not be handed off.
pub(crate) fn start_handed_off<E: Engine>(
    worker: &Rc<WorkerContext<E>>,
    stream_layer: &impl Fn() -> E::StreamLayer,
    accepted: AcceptedConnection<StdStream>,
) {
    let AcceptedConnection { stream, peer, local } = accepted;
    let Ok(stream) = TcpStream::from_std(stream) else { return worker.handoff().connection_closed(worker.worker_id) };
    start_connection(worker, stream_layer, stream, peer, local);
}

/// Starts to serve a connection that the limiter and the worker's count already include.
fn start_connection<E: Engine>(
    worker: &Rc<WorkerContext<E>>,
    stream_layer: &impl Fn() -> E::StreamLayer,
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
) {
    let Ok(permit) = worker.server.filter.on_connection(peer.ip()) else {
        return worker.handoff().connection_closed(worker.worker_id);
    };
    #[cfg(not(target_os = "linux"))]
    let _ = stream.set_nodelay(true); // fails only for a connection that is closed already
    let guard = ConnectionGuard::new(worker, permit);
    let client = ClientConnection::new(guard, stream_layer(), stream, peer, local, now());
    spawn_local(serve(client));
}

#[cfg(test)]
mod tests {
    use common::http::Plaintext;

    use super::*;
    use crate::{engine::EngineOf, pool::IdlePool};

    fn future_size<F: Future>(
        _: impl Fn(ClientConnection<EngineOf<Plaintext, (), IdlePool<TcpStream>>>) -> F,
    ) -> usize {
        size_of::<F>()
    }

    /// Ten thousand idle clients have ten thousand of these futures.
    #[test]
    fn client_task_future_is_small() {
        let bytes = future_size(serve);
        assert!(bytes <= 700, "{bytes} bytes");
    }
}
