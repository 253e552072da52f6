//! What a session waits for before it has a backend: its prelude, a slot, and a connect.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use advanced_features::{
    balance::{backend::Backend, group::InFlightGuard},
    limit::queue::QueueTurn,
    request::context::RequestContext,
};
use common::{
    clock::now,
    http::{FailureKind, Phase, ProxyError, Side},
    net::ConnectAttempt,
    shutdown::ShutdownStage,
};
use connection_pooling::{
    timer::{LazyTimer, poll_fn_with_now},
    upstream::connect::connect,
    worker::thread::WorkerThread,
};
use tokio::{io::Interest, net::TcpStream};

use super::{
    end::SessionEnd,
    prelude::{Prelude, PreludeReader},
    read_prelude::read_prelude,
};
use crate::tcp_worker::TcpWorker;

/// Waits for the prelude of a connection of `peer` to `local`, which was accepted at `accepted_at`.
///
/// # Errors
/// The session ends: the prelude is malformed, late or cut off, or the client has reset its connection.
pub(super) async fn wait_for_prelude<D>(
    worker: &TcpWorker<D>,
    client: &TcpStream,
    timer: &mut LazyTimer,
    (peer, local): (SocketAddr, SocketAddr),
    accepted_at: Instant,
) -> Result<Prelude, SessionEnd> {
    let config = &worker.options().prelude;
    let mut reader = PreludeReader::new(config, peer, local);
    if !reader.is_complete() {
        let received = {
            let mut reading = pin!(read_prelude(client, &mut reader));
            let poll = |context: &mut Context<'_>| reading.as_mut().poll(context);
            wait_unless_reset(worker.thread(), client, timer, accepted_at + config.timeout, poll).await?
        };
        received.unwrap_or_else(|| Err(reader.end_if_incomplete()))?;
    }
    Ok(reader.prelude)
}

/// Waits in the group's queue for a slot.
///
/// # Errors
/// The session ends: it has waited too long, there is no backend left, or the client has reset its connection.
pub(super) async fn wait_for_slot<D>(
    worker: &TcpWorker<D>,
    client: &TcpStream,
    timer: &mut LazyTimer,
    ctx: &mut RequestContext,
) -> Result<InFlightGuard, SessionEnd> {
    let queue = Arc::clone(&ctx.group.queue);
    let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let entered = now();
    let ticket = queue.enqueue(waker, entered).map_err(|_| SessionEnd::NoBackend)?;
    let deadline = entered + ctx.group.policy().queue_timeout;
    let slot = wait_unless_reset(worker.thread(), client, timer, deadline, |_| {
        let now = now();
        match ticket.turn(now) {
            QueueTurn::Next => ctx.choose_from_queue(now).transpose().map_or(Poll::Pending, Poll::Ready),
            QueueTurn::Wait => Poll::Pending,
            QueueTurn::Shed => Poll::Ready(Err(unavailable().into())),
        }
    });
    slot.await?.unwrap_or_else(|| Err(unavailable().into())).map_err(|_| SessionEnd::NoBackend)
}

fn unavailable() -> ProxyError {
    ProxyError::new(FailureKind::Unavailable, Side::Internal, Phase::Connect)
}

/// Connects to `backend`. If descriptors have run out, idle pipes are closed until the connect gets one.
///
/// # Errors
/// The outer one: the session ends. The inner one: this backend cannot be connected to.
pub(super) async fn wait_for_connect<D>(
    worker: &TcpWorker<D>,
    client: &TcpStream,
    timer: &mut LazyTimer,
    backend: &Backend,
) -> Result<Result<ConnectAttempt<TcpStream>, ProxyError>, SessionEnd> {
    loop {
        let started = now();
        let deadline = started + worker.thread().balancer().config().timeouts.connect;
        let mut connecting = pin!(connect(backend.addresses().connect_plan(started, deadline)));
        let poll = |context: &mut Context<'_>| connecting.as_mut().poll(context);
        let outcome = wait_unless_reset(worker.thread(), client, timer, deadline, poll).await?;
        let timed_out = || Err(ProxyError::new(FailureKind::Timeout, Side::Backend, Phase::Connect));
        match outcome.unwrap_or_else(timed_out) {
            Err(error) if error.kind == FailureKind::ResourceExhausted && worker.mover().pipes().close_one() => {}
            outcome => return Ok(outcome),
        }
    }
}

/// Waits until `ready` is ready; `None` once `deadline` has passed.
///
/// # Errors
/// The client has reset its connection, or the process stops. A FIN is no reason: the client may wait for the answer to
/// what it has sent.
pub(super) async fn wait_unless_reset<O>(
    thread: &WorkerThread,
    client: &TcpStream,
    timer: &mut LazyTimer,
    deadline: Instant,
    mut ready: impl FnMut(&mut Context<'_>) -> Poll<O>,
) -> Result<Option<O>, SessionEnd> {
    let mut reset = pin!(client.ready(Interest::ERROR));
    poll_fn_with_now(
        now(),
        || thread.begin_poll(),
        |context, now| {
            // First: a slot that another session gives up because the process stops must not be taken.
            if thread.stage() == ShutdownStage::Stopping {
                return Poll::Ready(Err(SessionEnd::Drained));
            }
            if let Poll::Ready(outcome) = ready(context) {
                return Poll::Ready(Ok(Some(outcome)));
            }
            if reset.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(SessionEnd::ClientReset));
            }
            timer.poll(deadline, now, context).map(|()| Ok(None))
        },
    )
    .await
}
