//! What a request waits for, and for how long: an exchange, the rest of a head, a slot, a connect, a retry.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use advanced_features::{
    balance::{backend::Backend, group::InFlight},
    request::{context::BUDGET_TRIES, local_reply::Trouble},
};
use common::{
    clock::now,
    http::{Input, Kind, Layer, Phase, ProxyError, Pumped, Side, pump},
    shutdown::Stage,
};
use tokio::{io::Interest, net::TcpStream};

use super::state::Request;
use crate::{
    downstream::client_connection::Client,
    timer::{Alarm, poll_timed},
    upstream::{connect::dial, connection::Upstream, socket_pool},
    wire::{Polled, Shared},
    worker::context::Core,
};

/// A head has one deadline for all of it: a byte now and then buys no time. An idle client has another. Ready once it has
/// passed, or the process stops.
pub(crate) fn poll_head_deadline<L: Layer>(
    core: &Core,
    client: &mut Client<L>,
    idle: bool,
    now: Instant,
    context: &mut Context<'_>,
) -> Poll<()> {
    if core.stage() == Stage::Now {
        return Poll::Ready(());
    }
    let timeouts = &core.balancer().config().timeouts;
    let by = timeouts.head_deadline(client.since, idle, core.drains_since.get());
    client.alarm.poll(by, now, context)
}

// ANCHOR: over
/// What a pump has come to. Pending: the sockets have the task's waker, and the alarm has the deadline.
pub(crate) fn poll_over(
    core: &Core,
    alarm: &mut Alarm,
    request: &mut Request,
    pumped: Result<Pumped, ProxyError>,
    context: &mut Context<'_>,
) -> Poll<Result<(), ProxyError>> {
    let Request { relay, patience, first_byte, now, .. } = request;
    if first_byte.is_none() && matches!(relay.phase(), Phase::Response | Phase::Tunnel) {
        *first_byte = Some(*now);
    }
    match pumped {
        Ok(Pumped::Done) => Poll::Ready(Ok(())),
        Err(error) => Poll::Ready(Err(error)),
        Ok(Pumped::Wait(_) | Pumped::Yield) if core.stage() == Stage::Now => Poll::Ready(Err(stopped(relay.phase()))),
        Ok(Pumped::Yield) => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        Ok(Pumped::Wait(_)) => {
            if core.stage() > Stage::Running {
                relay.close_after();
            }
            let by = patience.until(relay, &core.balancer().config().timeouts, *now);
            ready!(alarm.poll(by, *now, context));
            Poll::Ready(Err(relay.timed_out()))
        }
    }
}
// ANCHOR_END: over

/// How far an exchange has come.
pub(crate) enum Moved {
    /// It has ended.
    Over(Result<(), ProxyError>),
    /// It goes on. But the client has sent what may not be read yet, or has closed its half: what else it does, a reset
    /// say, would go unheard, as there is something to hear already.
    Unheard,
}

/// Goes on with an exchange while the client is listened to for nothing but a reset.
pub(crate) async fn exchange_unheard<L: Layer>(
    core: &Core,
    client: &mut Client<L>,
    request: &mut Request,
) -> Result<(), ProxyError> {
    let Client { stream, layer, alarm, .. } = client;
    let stream = &*stream;
    let mut broken = pin!(stream.ready(Interest::ERROR));
    poll_timed(request.now, |context, now| {
        request.now = now;
        let Request { relay, attempt, .. } = &mut *request;
        let upstream = &mut attempt.as_mut().expect("an exchange always has an attempt").socket;
        let mut near = layer.over(Shared::new(stream, context));
        let mut far = Polled::new(&mut upstream.stream, context);
        let mut pumped = pump(relay, &mut near, &mut far, &mut core.scratch.borrow_mut());
        if let Ok(Pumped::Wait(wants)) = pumped
            && wants.client.is_none()
            && broken.as_mut().poll(context).is_ready()
        {
            // Nothing would be read from it, so the machine is told.
            pumped = relay.from_client(Input::Reset).map(|_| Pumped::Wait(wants));
        }
        poll_over(core, alarm, request, pumped, context)
    })
    .await
}

/// Waits for a slot in the group's queue, and takes it in its turn.
pub(crate) async fn wait_for_slot<L: Layer>(
    core: &Core,
    client: &mut Client<L>,
    request: &mut Request,
) -> Result<InFlight, Trouble> {
    let queue = Arc::clone(&request.course().group.queue);
    let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let place = queue.enter(waker).map_err(|_| Trouble::FULL)?;
    let by = now() + core.balancer().config().queue_timeout;
    let turn = unless_interrupted(core, client, by, |_| {
        if !place.is_first() {
            return Poll::Pending;
        }
        match request.course().choose_in_turn(now()).transpose() {
            Some(chosen) => Poll::Ready(chosen),
            None => Poll::Pending,
        }
    });
    let slot = turn.await?.unwrap_or(Err(Trouble::FULL));
    request.now = now();
    slot
}

/// Makes a connection. If descriptors have run out, those that rest are given up for it.
pub(crate) async fn wait_for_connect<L: Layer>(
    core: &Core,
    client: &mut Client<L>,
    request: &mut Request,
    backend: &Arc<Backend>,
) -> Result<Upstream, ProxyError> {
    core.counts().misses(1);
    loop {
        let deadline = now() + core.balancer().config().timeouts.connect;
        let mut dialling = pin!(dial(backend.addresses(), deadline));
        let dialled = unless_interrupted(core, client, deadline, |context| dialling.as_mut().poll(context)).await?;
        request.now = now();
        let late = || ProxyError::new(Kind::Timeout, Side::Backend, Phase::Connect);
        match dialled.unwrap_or_else(|| Err(late())) {
            Err(error) if error.kind == Kind::Exhausted && socket_pool::give_one_up(core) => {}
            outcome => return outcome,
        }
    }
}

/// Waits before `error` of `failed` is answered by a retry, if this request may have one; else it is the client's.
pub(crate) async fn wait_for_retry<L: Layer>(
    core: &Core,
    client: &mut Client<L>,
    request: &mut Request,
    error: ProxyError,
    failed: &Backend,
) -> Result<(), Trouble> {
    if !request.course().may_try_again(core.balancer().config().retries) {
        return Err(error.into());
    }
    for tries in 0..BUDGET_TRIES {
        let until = now() + core.balancer().backoff(tries);
        unless_interrupted(core, client, until, |_| Poll::<()>::Pending).await?;
        request.now = now();
        if request.course().take_retry() {
            request.course().pass_by(failed, error);
            if let Some(attempt) = &request.attempt {
                attempt.broke_off(request.now);
            }
            return Ok(());
        }
    }
    Err(error.into())
}

/// Waits until `ready` is; `None` once `by` has come.
///
/// # Errors
/// The client has reset its connection, or the process stops.
async fn unless_interrupted<L: Layer, O>(
    core: &Core,
    client: &mut Client<L>,
    by: Instant,
    mut ready: impl FnMut(&mut Context<'_>) -> Poll<O>,
) -> Result<Option<O>, ProxyError> {
    let (stream, alarm): (&TcpStream, _) = (&client.stream, &mut client.alarm);
    let mut broken = pin!(stream.ready(Interest::ERROR));
    poll_timed(now(), |context, now| {
        if let Poll::Ready(outcome) = ready(context) {
            return Poll::Ready(Ok(Some(outcome)));
        }
        if broken.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(ProxyError::new(Kind::Reset, Side::Client, Phase::Connect)));
        }
        if core.stage() == Stage::Now {
            return Poll::Ready(Err(stopped(Phase::Connect)));
        }
        alarm.poll(by, now, context).map(|()| Ok(None))
    })
    .await
}

fn stopped(phase: Phase) -> ProxyError {
    ProxyError::new(Kind::Unavailable, Side::Internal, phase)
}
