//! Local replies, and the lingering close of a client's connection.

use std::{
    future::poll_fn,
    io::ErrorKind,
    task::{Context, Poll},
    time::Instant,
};

use common::{
    clock::now,
    http::{ExchangeTimeouts, NoWire, ProxyError, Wire as _},
    shutdown::ShutdownStage,
    timeouts::{LINGER_TIMEOUT, MAX_LINGER_READS},
};

use super::client_connection::ClientConnection;
use crate::{
    engine::Engine,
    request::{active::ActiveRequest, state::Request, wait},
    timer::poll_fn_with_now,
    worker::context::WorkerContext,
};

/// Answers an invalid request. Returns the request to be recorded.
pub(crate) async fn reject_request<'w, E: Engine>(
    worker: &'w WorkerContext<E>,
    client: &mut ClientConnection<E>,
    error: &ProxyError,
) -> ActiveRequest<'w, E> {
    let request = worker.take_request(client.client_address.peer(), client.timeout_start, now());
    let mut request = ActiveRequest::new(worker, request);
    let date = worker.date(request.polled_at);
    request.relay.reject_request(error, date);
    send_local_reply(worker, client, &mut request).await;
    request
}

/// Sends the relay's local reply to the client. If the client does not take it, the exchange ends all the same.
pub(crate) async fn send_local_reply<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    request: &mut Request<E>,
) {
    request.exchange_timeouts = ExchangeTimeouts::new();
    let mut sent = poll_fn(|context| Poll::Ready(poll_reply(worker, client, request, now(), context))).await;
    if sent.is_pending() {
        // Rarely: its socket takes a reply at once. So the memory for the wait is allocated only now.
        let read_clock = || worker.begin_poll();
        let rest =
            poll_fn_with_now(now(), read_clock, |context, now| poll_reply(worker, client, request, now, context));
        sent = Poll::Ready(Box::pin(rest).await);
    }
    if let Poll::Ready(Err(error)) = sent {
        request.relay.fail(&error, worker.date(request.polled_at));
    }
}

fn poll_reply<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    request: &mut Request<E>,
    now: Instant,
    context: &mut Context<'_>,
) -> Poll<Result<(), ProxyError>> {
    request.polled_at = now;
    let Request { relay, filter_state, .. } = &mut *request;
    let (wire, throttle) = client.wire_and_throttle(context);
    let pumped = worker.pump(relay, filter_state, now, wire, throttle, &mut NoWire);
    wait::poll_pump_result(worker, &mut client.timer, request, pumped, context)
}

/// Sends FIN, then reads and discards for a short time: closing with unread bytes sends a reset, which can overtake the
/// response on its way to the client (RFC 9112 §9.6).
pub(crate) async fn lingering_close<E: Engine>(worker: &WorkerContext<E>, client: &mut ClientConnection<E>) {
    client.request_buffer.clear();
    let deadline = now() + LINGER_TIMEOUT;
    let is_closed = poll_fn(|context| Poll::Ready(client.wire(context).shutdown_write().is_err())).await;
    if !is_closed {
        let read_clock = || worker.begin_poll();
        poll_fn_with_now(now(), read_clock, |context, now| poll_linger(worker, client, deadline, now, context)).await;
    }
}

fn poll_linger<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    deadline: Instant,
    now: Instant,
    context: &mut Context<'_>,
) -> Poll<()> {
    if worker.stage() == ShutdownStage::Stopping || now >= deadline {
        return Poll::Ready(());
    }
    for _ in 0..MAX_LINGER_READS {
        let received = client.wire(context).recv(&mut worker.scratch.borrow_mut());
        match received {
            Ok(0) => return Poll::Ready(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return client.timer.poll(deadline, now, context),
            Err(_) => return Poll::Ready(()),
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}
