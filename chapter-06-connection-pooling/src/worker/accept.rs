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

use super::{
    service::{Connection, ConnectionGuard, Service},
    thread::WorkerThread,
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
pub(super) async fn accept<S: Service>(
    service: &Rc<S>,
    listener: StdListener,
    handoff_rx: &mut UnboundedReceiver<AcceptedConnection<StdStream>>,
) -> io::Result<()> {
    // Accepted sockets inherit it, which saves a system call per connection (Linux; elsewhere it is set on each).
    SockRef::from(&listener).set_tcp_nodelay(true)?;
    let address = listener.local_addr()?;
    let listener = TcpListener::from_std(listener)?;
    let thread = service.thread();
    let task_id = thread.register();
    let outcome = loop {
        match poll_fn(|context| poll_accept(thread, &listener, handoff_rx, task_id, context)).await {
            AcceptEvent::Accepted(stream, peer) => {
                // A wildcard listener does not know which local address the client connected to. An error means that
                // the connection is closed already.
                let local = if address.ip().is_unspecified() { stream.local_addr() } else { Ok(address) };
                match local {
                    Ok(local) => serve_or_hand_off(service, stream, peer, local),
                    Err(_) => thread.handoff().release(),
                }
            }
            AcceptEvent::HandedOff(accepted) => start_handed_off(service, accepted),
            AcceptEvent::Failed(error) => match AcceptError::classify(&error) {
                AcceptError::Transient => {}
                AcceptError::Fatal => break Err(error),
                AcceptError::Exhausted => {
                    if thread.handoff().fd_pressure.is_new(now()) {
                        tracing::warn!("cannot accept: {error}; raise `ulimit -n` or lower --max-clients");
                    }
                    if !service.free_descriptor() {
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            },
            AcceptEvent::Closed => break Ok(()),
        }
    };
    thread.unregister(task_id);
    outcome
}

fn poll_accept(
    thread: &WorkerThread,
    listener: &TcpListener,
    handoff_rx: &mut UnboundedReceiver<AcceptedConnection<StdStream>>,
    task_id: usize,
    context: &mut Context<'_>,
) -> Poll<AcceptEvent> {
    thread.set_waker(task_id, context);
    if let Poll::Ready(Some(accepted)) = handoff_rx.poll_recv(context) {
        return Poll::Ready(AcceptEvent::HandedOff(accepted));
    }
    if thread.stage() == ShutdownStage::Stopping {
        return Poll::Ready(AcceptEvent::Closed);
    }
    if !thread.handoff().try_acquire(context.waker()) {
        return Poll::Pending;
    }
    let drains = thread.stage() > ShutdownStage::Running;
    let accepted = if drains { Poll::Ready(accept_without_poller(listener)) } else { listener.poll_accept(context) };
    if let Poll::Ready(Ok((stream, peer))) = accepted {
        return Poll::Ready(AcceptEvent::Accepted(stream, peer));
    }
    // Nothing was accepted: a worker that only waits must not count against the limit.
    thread.handoff().release();
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
fn serve_or_hand_off<S: Service>(service: &Rc<S>, stream: TcpStream, peer: SocketAddr, local: SocketAddr) {
    let (thread, connections) = (service.thread(), &service.thread().handoff().per_worker);
    if thread.stage() > ShutdownStage::Running {
        connections.increment(thread.id());
        return start_connection(service, stream, peer, local);
    }
    let chosen = connections.assign_worker(thread.id());
    if chosen == thread.id() {
        return start_connection(service, stream, peer, local);
    }
    let Ok(stream) = stream.into_std() else { return thread.handoff().connection_closed(chosen) };
    if let Err(accepted) = thread.handoff().hand_off(chosen, AcceptedConnection { stream, peer, local }) {
        // The chosen worker has ended.
        connections.decrement(chosen);
        connections.increment(thread.id());
        start_handed_off(service, accepted);
    }
}

/// Starts to serve a connection that another worker has handed off, or that could not be handed off.
pub(super) fn start_handed_off<S: Service>(service: &Rc<S>, accepted: AcceptedConnection<StdStream>) {
    let AcceptedConnection { stream, peer, local } = accepted;
    let thread = service.thread();
    let Ok(stream) = TcpStream::from_std(stream) else { return thread.handoff().connection_closed(thread.id()) };
    start_connection(service, stream, peer, local);
}

/// Starts to serve a connection that the limiter and the worker's count already include.
fn start_connection<S: Service>(service: &Rc<S>, stream: TcpStream, peer: SocketAddr, local: SocketAddr) {
    let Ok(permit) = service.on_connection(peer.ip()) else {
        let thread = service.thread();
        return thread.handoff().connection_closed(thread.id());
    };
    #[cfg(not(target_os = "linux"))]
    let _ = stream.set_nodelay(true); // fails only for a connection that is closed already
    let guard = ConnectionGuard::new(service, permit);
    spawn_local(S::serve(Connection { stream, peer, local, guard }));
}
