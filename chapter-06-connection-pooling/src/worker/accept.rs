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
    http::Layer,
    net::{ACCEPT_PAUSE, AcceptError, AcceptedConnection},
    shutdown::Stage,
};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc::UnboundedReceiver,
    task::spawn_local,
    time::sleep,
};

use super::context::Core;
use crate::{
    downstream::client_connection::{Client, Visit},
    serve::serve,
    upstream::socket_pool,
};

/// What comes next to a core that takes in clients.
enum Next {
    /// This client, accepted here.
    Accepted(TcpStream, SocketAddr),
    /// This one, accepted elsewhere.
    Sent(AcceptedConnection<StdStream>),
    /// Accepting has failed.
    Failed(io::Error),
    /// Nobody comes any more.
    Nobody,
}

/// Takes in clients until the process drains and nobody waits in the kernel's queue.
pub(crate) async fn accept<L: Layer>(
    core: &Rc<Core>,
    layer: &impl Fn() -> L,
    listener: StdListener,
    door: &mut UnboundedReceiver<AcceptedConnection<StdStream>>,
) -> io::Result<()> {
    // Accepted sockets inherit it, which saves a system call for each (Linux; elsewhere it is set on each).
    SockRef::from(&listener).set_tcp_nodelay(true)?;
    let address = listener.local_addr()?;
    let listener = TcpListener::from_std(listener)?;
    let task = core.enlist();
    let outcome = loop {
        match poll_fn(|context| poll_next(core, &listener, door, task, context)).await {
            Next::Accepted(stream, peer) => {
                // A listener of all addresses does not know which of them it was. Who has left already is nobody's client.
                let local = if address.ip().is_unspecified() { stream.local_addr() } else { Ok(address) };
                match local {
                    Ok(local) => place(core, layer, stream, peer, local),
                    Err(_) => core.clients().leave(),
                }
            }
            Next::Sent(newcomer) => take_in(core, layer, newcomer),
            Next::Failed(error) => match AcceptError::classify(&error) {
                AcceptError::Transient => {}
                AcceptError::Fatal => break Err(error),
                AcceptError::Exhausted => {
                    if core.clients().fd_pressure.is_new(now()) {
                        tracing::warn!("cannot accept: {error}; raise `ulimit -n` or lower --max-clients");
                    }
                    if !socket_pool::give_one_up(core) {
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            },
            Next::Nobody => break Ok(()),
        }
    };
    core.discharge(task);
    outcome
}

fn poll_next(
    core: &Core,
    listener: &TcpListener,
    door: &mut UnboundedReceiver<AcceptedConnection<StdStream>>,
    task: usize,
    context: &mut Context<'_>,
) -> Poll<Next> {
    core.know(task, context);
    if let Poll::Ready(Some(newcomer)) = door.poll_recv(context) {
        return Poll::Ready(Next::Sent(newcomer));
    }
    if core.stage() == Stage::Now {
        return Poll::Ready(Next::Nobody);
    }
    if !core.clients().try_enter(context.waker()) {
        return Poll::Pending;
    }
    let drains = core.stage() > Stage::Running;
    let accepted = if drains { Poll::Ready(accept_now(listener)) } else { listener.poll_accept(context) };
    if let Poll::Ready(Ok((stream, peer))) = accepted {
        return Poll::Ready(Next::Accepted(stream, peer));
    }
    // A place is a client's, not a core's that waits for one.
    core.clients().leave();
    match accepted {
        Poll::Ready(Err(error)) if drains && error.kind() == ErrorKind::WouldBlock => Poll::Ready(Next::Nobody),
        Poll::Ready(Err(error)) => Poll::Ready(Next::Failed(error)),
        _ => Poll::Pending,
    }
}

/// Asks the kernel itself: of those who came last the poller has not heard yet, and to close the listener would reset them.
fn accept_now(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = SockRef::from(listener).accept()?;
    socket.set_nonblocking(true)?;
    let peer = peer.as_socket().ok_or(ErrorKind::InvalidInput)?;
    Ok((TcpStream::from_std(socket.into())?, peer))
}

/// Serves the client here, or hands it to the core with the fewest. Who drains keeps what it has accepted.
fn place<L: Layer>(core: &Rc<Core>, layer: &impl Fn() -> L, stream: TcpStream, peer: SocketAddr, local: SocketAddr) {
    if core.stage() > Stage::Running {
        core.clients().per_worker.increment(core.place);
        return begin(core, layer, stream, peer, local);
    }
    let chosen = core.clients().per_worker.assign_worker(core.place);
    if chosen == core.place {
        return begin(core, layer, stream, peer, local);
    }
    let Ok(stream) = stream.into_std() else { return core.clients().lose(chosen) };
    if let Err(newcomer) = core.clients().send(chosen, AcceptedConnection { stream, peer, local }) {
        // That one takes nobody any more.
        core.clients().per_worker.decrement(chosen);
        core.clients().per_worker.increment(core.place);
        take_in(core, layer, newcomer);
    }
}

/// Begins to serve a client that was accepted on another core, or for another core.
pub(crate) fn take_in<L: Layer>(core: &Rc<Core>, layer: &impl Fn() -> L, newcomer: AcceptedConnection<StdStream>) {
    let AcceptedConnection { stream, peer, local } = newcomer;
    let Ok(stream) = TcpStream::from_std(stream) else { return core.clients().lose(core.place) };
    begin(core, layer, stream, peer, local);
}

/// Begins to serve a client that has its place and is counted.
fn begin<L: Layer>(core: &Rc<Core>, layer: &impl Fn() -> L, stream: TcpStream, peer: SocketAddr, local: SocketAddr) {
    #[cfg(not(target_os = "linux"))]
    let _ = stream.set_nodelay(true); // of no client that is still there
    let client = Client::new(Visit::begin(core), layer(), stream, peer, local, now());
    spawn_local(serve(client));
}

#[cfg(test)]
mod tests {
    use common::http::Plain;

    use super::*;

    fn future_size<F: Future>(_: impl Fn(Client<Plain>) -> F) -> usize {
        size_of::<F>()
    }

    /// Ten thousand idle clients have ten thousand of them.
    #[test]
    fn client_task_future_is_small() {
        let bytes = future_size(serve);
        assert!(bytes <= 700, "{bytes} bytes");
    }
}
