//! A worker: a thread with a runtime of its own, which accepts connections and drains them.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener as StdListener},
    pin::pin,
    rc::Rc,
    sync::Arc,
};

use common::{
    clock::now,
    net::{ACCEPT_PAUSE, AcceptError},
    shutdown::{Shutdown, ShutdownStage},
};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    sync::OwnedSemaphorePermit,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{connection::Connection, context::WorkerContext, server::FileServer};

/// Serves connections of `listener` until shutdown; then drains.
///
/// # Errors
/// The runtime could not start, or the listener failed.
pub(super) fn run(
    server: Arc<FileServer>,
    worker_id: usize,
    listener: StdListener,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let worker = Rc::new(WorkerContext::new(server, worker_id));
        // Accepted sockets inherit it, which saves a system call per connection (Linux; elsewhere it is set on each).
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        let listener = TcpListener::from_std(listener)?;
        let mut tasks = JoinSet::new();
        let accepted = accept(&worker, &listener, shutdown, &mut tasks).await;
        worker.begin_drain();
        match accepted {
            Ok(()) => accept_queue(&worker, &listener, &mut tasks),
            Err(_) => shutdown.stop(),
        }
        drop(listener);
        let drained = async { while tasks.join_next().await.is_some() {} };
        let stopped = timeout(worker.config().timeouts.drain, shutdown.reached(ShutdownStage::Stopping));
        tokio::select! {
            () = drained => {}
            _ = stopped => shutdown.stop(),
        }
        tasks.shutdown().await;
        accepted
    })
}

/// Accepts connections until the process drains. A connection is accepted before it has a permit: so a worker that
/// only waits takes none from the others, and each worker holds at most one connection beyond the limit, unread.
async fn accept(
    worker: &Rc<WorkerContext>,
    listener: &TcpListener,
    shutdown: &Shutdown,
    tasks: &mut JoinSet<()>,
) -> io::Result<()> {
    let mut draining = pin!(shutdown.reached(ShutdownStage::Draining));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut draining => return Ok(()),
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!("a client's task has failed: {error}");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let permits = Arc::clone(&worker.server().client_permits);
                let permit = tokio::select! {
                    biased;
                    permit = permits.acquire_owned() => permit.ok(),
                    () = &mut draining => None,
                };
                start(worker, stream, peer, permit, tasks);
                if shutdown.is_draining() {
                    return Ok(()); // `draining` may have completed, and must not be polled again
                }
            }
            Err(error) => match AcceptError::classify(&error) {
                AcceptError::Transient => {}
                AcceptError::Fatal => return Err(error),
                AcceptError::Exhausted => {
                    if worker.server().fd_pressure.is_new(now()) {
                        tracing::warn!("cannot accept: {error}; raise `ulimit -n` or lower --max-clients");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Accepts what is left in the kernel's queue: closing the listener would reset these connections.
fn accept_queue(worker: &Rc<WorkerContext>, listener: &TcpListener, tasks: &mut JoinSet<()>) {
    loop {
        let accepted = SockRef::from(listener).accept().and_then(|(socket, peer)| {
            socket.set_nonblocking(true)?;
            let peer = peer.as_socket().ok_or(ErrorKind::InvalidInput)?;
            Ok((TcpStream::from_std(socket.into())?, peer))
        });
        match accepted {
            Ok((stream, peer)) => start(worker, stream, peer, None, tasks),
            Err(error) if AcceptError::classify(&error) == AcceptError::Transient => {}
            Err(_) => return,
        }
    }
}

/// Serves a connection. Only a process that drains serves one without a permit.
fn start(
    worker: &Rc<WorkerContext>,
    stream: TcpStream,
    peer: SocketAddr,
    permit: Option<OwnedSemaphorePermit>,
    tasks: &mut JoinSet<()>,
) {
    #[cfg(not(target_os = "linux"))]
    let _ = stream.set_nodelay(true); // fails only for a connection that is closed already
    let connection = Connection::new(Rc::clone(worker), stream, peer.ip().to_canonical());
    tasks.spawn_local(async move {
        let _permit = permit;
        connection.serve().await;
    });
}
