//! What a request waits for, and until when: the rest of a head, a slot, a connect, an exchange, a retry.

use std::{
    future::poll_fn,
    ops::ControlFlow::Break,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use advanced_features::{
    balance::{backend::Backend, group::InFlightGuard},
    limit::queue::QueueTurn,
    request::{
        context::{MAX_RETRY_BUDGET_CHECKS, RequestContext},
        error::RequestError,
        local_reply::{QUEUE_FULL, QUEUE_TIMEOUT, SHED},
    },
};
use common::{
    clock::now,
    http::{FailureKind, Input, Pause, Phase, ProxyError, Pumped, Side, StreamLayer as _},
    shutdown::ShutdownStage,
};
use tokio::{io::Interest, net::TcpStream};

use super::{splice_body::splice_body, state::Request};
use crate::{
    downstream::client_connection::ClientConnection,
    engine::Engine,
    splice::ExchangeSockets,
    timer::{LazyTimer, poll_fn_with_now},
    upstream::{connect::connect, connection::UpstreamConnection, socket_pool},
    wire::{PolledStream, SharedPolledStream},
    worker::{context::WorkerContext, stats::CountedWire},
};

/// A head has one deadline as a whole: sending a byte now and then does not extend it. An idle client has the idle
/// timeout. Ready once the deadline has passed, or the process stops.
pub(crate) fn poll_head_deadline<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    idle: bool,
    now: Instant,
    context: &mut Context<'_>,
) -> Poll<()> {
    if worker.stage() == ShutdownStage::Stopping {
        return Poll::Ready(());
    }
    let timeouts = &worker.balancer().config().timeouts;
    // A client whose bytes are not read for lack of bandwidth is not late.
    let deadline = client
        .read_paused_until(now)
        .unwrap_or_else(|| timeouts.head_deadline(client.timeout_start, idle, worker.drain_started_at()));
    client.timer.poll(deadline, now, context)
}

// ANCHOR: poll_pump_result
/// Handles the result of a pump. Pending: the sockets have the task's waker, and the timer has the deadline.
pub(crate) fn poll_pump_result<E: Engine>(
    worker: &WorkerContext<E>,
    timer: &mut LazyTimer,
    request: &mut Request<E>,
    pumped: Result<Pumped<Pause>, ProxyError>,
    context: &mut Context<'_>,
) -> Poll<Result<(), ProxyError>> {
    let Request { relay, exchange_timeouts, first_byte_at, connected_at, polled_at, ctx, .. } = request;
    let timeouts = &worker.balancer().config().timeouts;
    if first_byte_at.is_none() && relay.backend_status().is_some() {
        *first_byte_at = Some(*polled_at);
        if let Some(slot) = ctx.as_mut().and_then(RequestContext::take_group_slot)
            && let Some(sent_at) = exchange_timeouts.waiting_for_response_since(timeouts)
        {
            slot.record(sent_at, false, *polled_at);
        }
    }
    match pumped {
        Ok(Pumped::Done) => Poll::Ready(Ok(())),
        Err(error) => Poll::Ready(Err(error)),
        Ok(_) if worker.stage() == ShutdownStage::Stopping => Poll::Ready(Err(stopped_error(relay.phase()))),
        Ok(Pumped::Yield) => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        Ok(Pumped::Wait(_)) => {
            if worker.stage() > ShutdownStage::Running {
                relay.close_after_response();
            }
            let deadline = exchange_timeouts.deadline(relay, timeouts, *polled_at);
            ready!(timer.poll(deadline, *polled_at, context));
            let error = relay.timeout_error();
            if error.side == Side::Backend
                && let Some(slot) = ctx.as_mut().and_then(RequestContext::take_group_slot)
            {
                let sent_at = exchange_timeouts.waiting_for_response_since(timeouts).or(*connected_at);
                slot.record(sent_at.unwrap_or(*polled_at), true, *polled_at);
            }
            Poll::Ready(Err(error))
        }
        Ok(Pumped::Throttled(pause)) => poll_pause(worker, timer, request, pause, context),
    }
}
// ANCHOR_END: poll_pump_result

/// Waits for bandwidth. A timeout that waits for it too is suspended; any other runs on.
fn poll_pause<E: Engine>(
    worker: &WorkerContext<E>,
    timer: &mut LazyTimer,
    request: &mut Request<E>,
    pause: Pause,
    context: &mut Context<'_>,
) -> Poll<Result<(), ProxyError>> {
    let Request { relay, exchange_timeouts, polled_at, .. } = request;
    if worker.stage() > ShutdownStage::Running {
        relay.close_after_response();
    }
    let mut wake_at = pause.until; // later than `polled_at`
    if pause.suspends_timeout {
        exchange_timeouts.suspend(*polled_at);
    } else {
        wake_at = wake_at.min(exchange_timeouts.deadline(relay, &worker.balancer().config().timeouts, *polled_at));
    }
    ready!(timer.poll(wake_at, *polled_at, context));
    Poll::Ready(Err(relay.timeout_error()))
}

/// The state of an exchange after a poll.
pub(crate) enum ExchangePoll {
    /// The exchange has ended.
    Done(Result<(), ProxyError>),
    /// The exchange goes on. But the client has sent bytes that may not be read yet, or has sent FIN, so its socket
    /// stays readable: readiness for reading would not report a reset. It has to be watched for separately.
    WatchForReset,
}

// ANCHOR: exchange
/// Moves the bytes that can be moved between the two sockets now.
pub(crate) fn poll_exchange<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    request: &mut Request<E>,
    now: Instant,
    context: &mut Context<'_>,
) -> Poll<ExchangePoll> {
    request.polled_at = now;
    let Request { relay, attempt, filter_state, splice_state, .. } = request;
    let upstream = &mut attempt.as_mut().expect("an exchange always has an attempt").connection;
    let pumped = loop {
        let mut upstream_wire = PolledStream::new(&mut upstream.stream, context);
        let (client_wire, throttle) = client.wire_and_throttle(context);
        let pumped = worker.pump(relay, filter_state, now, client_wire, throttle, &mut upstream_wire);
        let sockets = ExchangeSockets { client: &client.stream, backend: &upstream.stream };
        if let Break(pumped) = splice_body(worker, relay, splice_state, pumped, (sockets, now), context) {
            break pumped;
        }
    };
    if leaves_client_alone(&pumped) && client.stream.poll_read_ready(context).is_ready() {
        return Poll::Ready(ExchangePoll::WatchForReset);
    }
    poll_pump_result(worker, &mut client.timer, request, pumped, context).map(ExchangePoll::Done)
}
// ANCHOR_END: exchange

/// Whether neither a read nor a write waits for the client's socket, so that none would report a reset.
fn leaves_client_alone(pumped: &Result<Pumped<Pause>, ProxyError>) -> bool {
    match pumped {
        Ok(Pumped::Wait(wants)) => wants.client.is_none(),
        Ok(Pumped::Throttled(_)) => true,
        _ => false,
    }
}

/// Continues an exchange, and watches the client's socket for a reset.
pub(crate) async fn exchange_watching_for_reset<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    request: &mut Request<E>,
) -> Result<(), ProxyError> {
    let ClientConnection { stream, stream_layer, throttle, timer, .. } = client;
    let stream = &*stream;
    let mut reset = pin!(stream.ready(Interest::ERROR));
    let read_clock = || worker.begin_poll();
    poll_fn_with_now(request.polled_at, read_clock, |context, now| {
        request.polled_at = now;
        let Request { relay, attempt, filter_state, splice_state, .. } = &mut *request;
        let upstream = &mut attempt.as_mut().expect("an exchange always has an attempt").connection;
        let mut pumped = loop {
            let client_wire = stream_layer.wrap(SharedPolledStream::new(stream, context));
            let client_wire = CountedWire::new(client_wire, worker.stats());
            let mut upstream_wire = PolledStream::new(&mut upstream.stream, context);
            let pumped =
                worker.pump(relay, filter_state, now, client_wire, throttle.as_deref_mut(), &mut upstream_wire);
            let sockets = ExchangeSockets { client: stream, backend: &upstream.stream };
            if let Break(pumped) = splice_body(worker, relay, splice_state, pumped, (sockets, now), context) {
                break pumped;
            }
        };
        if leaves_client_alone(&pumped) && reset.as_mut().poll(context).is_ready() {
            // Nothing is read from the client now, so no read would report the reset: tell the relay.
            pumped = relay.from_client(Input::Reset).and(pumped);
        }
        poll_pump_result(worker, timer, request, pumped, context)
    })
    .await
}

/// Waits in the group's queue until it gets a slot. A request whose client leaves is dropped.
pub(crate) async fn wait_for_slot<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    request: &mut Request<E>,
) -> Result<InFlightGuard, RequestError> {
    let queue = Arc::clone(&request.ctx().group.queue);
    let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let entered = now();
    request.own_time.add(request.polled_at, entered);
    let ticket = queue.enqueue(waker, entered).map_err(|_| QUEUE_FULL)?;
    let deadline = entered + request.ctx().group.policy().queue_timeout;
    let slot_wait = wait_unless(RESET_OR_FIN, worker, client, deadline, |_| {
        let now = now();
        match ticket.turn(now) {
            QueueTurn::Next => request.ctx().choose_from_queue(now).transpose().map_or(Poll::Pending, Poll::Ready),
            QueueTurn::Wait => Poll::Pending,
            QueueTurn::Shed => Poll::Ready(Err(SHED.into())),
        }
    });
    let slot = slot_wait.await?.unwrap_or(Err(QUEUE_TIMEOUT.into()));
    request.polled_at = now();
    slot
}

/// Connects to the backend. If descriptors have run out, idle connections are closed until the connect gets one.
pub(crate) async fn wait_for_connect<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    request: &mut Request<E>,
    backend: &Arc<Backend>,
) -> Result<UpstreamConnection, ProxyError> {
    worker.pool_counters().misses(1);
    loop {
        let started = now();
        request.own_time.add(request.polled_at, started);
        let deadline = started + worker.balancer().config().timeouts.connect;
        let mut connecting = pin!(connect(backend.addresses().connect_plan(started, deadline)));
        let outcome =
            wait_unless_aborted(worker, client, deadline, |context| connecting.as_mut().poll(context)).await?;
        request.polled_at = now();
        let timed_out = || ProxyError::new(FailureKind::Timeout, Side::Backend, Phase::Connect);
        match outcome.unwrap_or_else(|| Err(timed_out())) {
            Err(error) if error.kind == FailureKind::ResourceExhausted && socket_pool::evict_one(worker) => {}
            outcome => return outcome.map(UpstreamConnection::new),
        }
    }
}

/// Waits for the back-off and a retry permit after `error` from the backend `failed`. Without a retry left, the client
/// gets `error`.
pub(crate) async fn wait_for_retry<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    request: &mut Request<E>,
    error: ProxyError,
    failed: &Backend,
) -> Result<(), RequestError> {
    if !request.ctx().begin_retry() {
        return Err(error.into());
    }
    for tries in 0..MAX_RETRY_BUDGET_CHECKS {
        let started = now();
        request.own_time.add(request.polled_at, started);
        let deadline = started + worker.balancer().backoff(&request.ctx().group, tries);
        wait_unless_aborted(worker, client, deadline, |_| Poll::<()>::Pending).await?;
        request.polled_at = now();
        if request.ctx().acquire_retry_permit() {
            request.ctx().exclude_backend(failed, error);
            if let Some(attempt) = &request.attempt {
                attempt.record_failure(request.polled_at);
            }
            return Ok(());
        }
    }
    Err(error.into())
}

/// As [`wait_unless`] with a reset.
async fn wait_unless_aborted<E: Engine, O>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    deadline: Instant,
    ready: impl FnMut(&mut Context<'_>) -> Poll<O>,
) -> Result<Option<O>, ProxyError> {
    wait_unless(Interest::ERROR, worker, client, deadline, ready).await
}

/// A reset, or a FIN, also behind bytes that have not been read. For `READABLE` a stream would be ready because of those
/// bytes; for `PRIORITY` it is ready when its read side is closed, or for urgent data, which it is not registered for.
/// Only Linux has this interest; elsewhere a client that half-closes is answered.
#[cfg(any(target_os = "linux", target_os = "android"))]
const RESET_OR_FIN: Interest = Interest::ERROR.add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const RESET_OR_FIN: Interest = Interest::ERROR;

/// Waits until `ready` is ready; `None` once `deadline` has passed.
///
/// # Errors
/// The client's stream is ready for `client_end`, or the process stops.
async fn wait_unless<E: Engine, O>(
    client_end: Interest,
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    deadline: Instant,
    mut ready: impl FnMut(&mut Context<'_>) -> Poll<O>,
) -> Result<Option<O>, ProxyError> {
    let (stream, timer): (&TcpStream, _) = (&client.stream, &mut client.timer);
    let mut ended = pin!(stream.ready(client_end));
    let read_clock = || worker.begin_poll();
    poll_fn_with_now(now(), read_clock, |context, now| {
        // First: a slot that another request gives up because the process stops must not be taken.
        if worker.stage() == ShutdownStage::Stopping {
            return Poll::Ready(Err(stopped_error(Phase::Connect)));
        }
        if let Poll::Ready(outcome) = ready(context) {
            return Poll::Ready(Ok(Some(outcome)));
        }
        if let Poll::Ready(ended) = ended.as_mut().poll(context) {
            let is_fin = ended.is_ok_and(|ended| !ended.is_error());
            let kind = if is_fin { FailureKind::ClosedInQueue } else { FailureKind::Reset };
            return Poll::Ready(Err(ProxyError::new(kind, Side::Client, Phase::Connect)));
        }
        timer.poll(deadline, now, context).map(|()| Ok(None))
    })
    .await
}

fn stopped_error(phase: Phase) -> ProxyError {
    ProxyError::new(FailureKind::ShuttingDown, Side::Internal, phase)
}
