//! One core: a thread, a runtime that never leaves it, and the tasks that keep it going.
//!
//! Its clients' tasks are spawned on the same runtime and stay there: what they share is in an `Rc` and in cells. Each of
//! them ends by itself once the core has told it of the end ([`Core::reach`]), and the core waits for the last.

use std::{
    collections::HashSet,
    future::poll_fn,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener as StdListener},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use common::{
    clock::now,
    http::Layer,
    shutdown::{Shutdown, Stage},
};
use simple_proxy::accept::{is_one_clients_fault, is_our_mistake};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    sync::mpsc::UnboundedReceiver,
    task::{JoinSet, spawn_local},
    time::{interval, sleep, timeout},
};

use crate::{
    Server,
    client::{Client, Visit},
    clients::Newcomer,
    core::Core,
    dial::dial,
    pool::Peer,
    serve::serve,
    upstreams,
};

/// How long to leave the listener alone when descriptors have run out. To ask again at once would burn a core.
const PAUSE: Duration = Duration::from_millis(100);
/// How often what rests is looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Serves clients of `listener`, and those that other cores send to `door`, until the shutdown; then drains.
///
/// # Errors
/// The runtime could not start, or the listener failed.
pub(crate) fn run<L: Layer>(
    server: Arc<Server>,
    layer: &impl Fn() -> L,
    place: usize,
    listener: StdListener,
    mut door: UnboundedReceiver<Newcomer>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let core = Rc::new(Core::new(server, place));
        let helpers =
            [spawn_local(look_after(Rc::clone(&core))), spawn_local(heed(Rc::clone(&core), shutdown.clone()))];
        let accepted = accept(&core, layer, listener, &mut door).await;
        if accepted.is_err() {
            shutdown.now();
            core.reach(Stage::Now, now());
        }
        // Who was on the way here is served; who comes later stays where it was accepted.
        door.close();
        while let Some(newcomer) = door.recv().await {
            take_in(&core, layer, newcomer);
        }
        poll_fn(|context| if core.is_deserted(context) { Poll::Ready(()) } else { Poll::Pending }).await;
        for helper in helpers {
            helper.abort();
        }
        accepted
    })
}

/// What comes next to a core that takes in clients.
enum Next {
    /// This client, accepted here.
    Accepted(TcpStream, SocketAddr),
    /// This one, accepted elsewhere.
    Sent(Newcomer),
    /// Accepting has failed.
    Failed(io::Error),
    /// Nobody comes any more.
    Nobody,
}

/// Takes in clients until the process drains and nobody waits in the kernel's queue.
async fn accept<L: Layer>(
    core: &Rc<Core>,
    layer: &impl Fn() -> L,
    listener: StdListener,
    door: &mut UnboundedReceiver<Newcomer>,
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
            Next::Failed(error) if is_one_clients_fault(&error) => {}
            Next::Failed(error) if is_our_mistake(&error) => break Err(error),
            Next::Failed(error) => {
                if core.clients().house.is_new_shortage(now()) {
                    tracing::warn!("cannot accept: {error}; raise `ulimit -n` or lower --max-clients");
                }
                if !upstreams::give_one_up(core) {
                    sleep(PAUSE).await;
                }
            }
            Next::Nobody => break Ok(()),
        }
    };
    core.discharge(task);
    outcome
}

fn poll_next(
    core: &Core,
    listener: &TcpListener,
    door: &mut UnboundedReceiver<Newcomer>,
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
        core.clients().house.came_to(core.place);
        return begin(core, layer, stream, peer, local);
    }
    let chosen = core.clients().house.place(core.place);
    if chosen == core.place {
        return begin(core, layer, stream, peer, local);
    }
    let Ok(stream) = stream.into_std() else { return core.clients().lose(chosen) };
    if let Err(newcomer) = core.clients().send(chosen, Newcomer { stream, peer, local }) {
        // That one takes nobody any more.
        core.clients().house.left(chosen);
        core.clients().house.came_to(core.place);
        take_in(core, layer, newcomer);
    }
}

/// Begins to serve a client that was accepted on another core, or for another core.
fn take_in<L: Layer>(core: &Rc<Core>, layer: &impl Fn() -> L, newcomer: Newcomer) {
    let Newcomer { stream, peer, local } = newcomer;
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

/// Tells the core's tasks how far the process is on its way out, and ends all patience when the drain has lasted too long.
async fn heed(core: Rc<Core>, shutdown: Shutdown) {
    shutdown.reached(Stage::Draining).await;
    core.reach(Stage::Draining, now());
    let drain = core.balancer().config().timeouts.drain;
    if timeout(drain, shutdown.reached(Stage::Now)).await.is_err() {
        shutdown.now();
    }
    core.reach(Stage::Now, now());
}

/// Looks after the pool, and has connections made before they are needed.
async fn look_after(core: Rc<Core>) {
    let mut wanted_before = HashSet::new();
    // Each on a task of its own: who does not answer holds up neither the others nor the sweep.
    let mut warming = JoinSet::new();
    let mut turns = interval(SWEEP);
    loop {
        turns.tick().await;
        while warming.try_join_next().is_some() {}
        let wanted = upstreams::wanted(&core, now());
        upstreams::sweep(&core, &wanted);
        for &address in wanted.difference(&wanted_before) {
            warming.spawn_local(warm_up(Rc::clone(&core), Peer { address }));
        }
        wanted_before = wanted;
    }
}

/// Makes this core's part of the connections that are to wait for the first requests to a backend that is new or back.
async fn warm_up(core: Rc<Core>, peer: Peer) {
    let missing = core.server.warm_part(core.place).saturating_sub(core.pool.borrow().len_of(peer));
    for _ in 0..missing {
        let deadline = now() + core.balancer().config().timeouts.connect;
        match dial(std::iter::once(peer.address), deadline).await {
            Ok(upstream) => {
                core.counts().warmed(1);
                upstreams::lay_down(&core, upstream, now());
            }
            Err(error) => {
                tracing::info!("{} is not warmed up: {error}", peer.address);
                return;
            }
        }
    }
}
