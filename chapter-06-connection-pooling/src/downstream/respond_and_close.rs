//! Local replies, and the lingering close of a client's connection.

use std::{
    future::poll_fn,
    io::ErrorKind,
    task::{Context, Poll},
    time::Instant,
};

use advanced_features::request::local_reply::LocalReply;
use common::{
    clock::{now, wall_clock},
    http::{ExchangeTimeouts, NoWire, ProxyError, StreamLayer, Wire as _, pump},
    shutdown::ShutdownStage,
    timeouts::{LINGER_TIMEOUT, MAX_LINGER_READS},
};

use super::client_connection::ClientConnection;
use crate::{
    request::{state::Request, wait},
    timer::poll_fn_with_now,
    worker::context::WorkerContext,
};

/// Answers with a local reply instead of a backend's response.
pub(crate) async fn respond_locally<L: StreamLayer>(
    worker: &WorkerContext,
    client: &mut ClientConnection<L>,
    request: &mut Request,
    reply: &LocalReply,
) {
    reply.write_to(&mut request.relay, wall_clock());
    send_local_reply(worker, client, request).await;
}

/// Answers an invalid request. Returns the request to be recorded.
pub(crate) async fn reject_request<L: StreamLayer>(
    worker: &WorkerContext,
    client: &mut ClientConnection<L>,
    error: &ProxyError,
) -> Box<Request> {
    let mut request = worker.take_request(client.timeout_start, now());
    request.relay.reject_request(error, wall_clock());
    send_local_reply(worker, client, &mut request).await;
    request
}

/// Sends a local reply to the client. If the client does not take it, the exchange ends all the same.
async fn send_local_reply<L: StreamLayer>(
    worker: &WorkerContext,
    client: &mut ClientConnection<L>,
    request: &mut Request,
) {
    request.exchange_timeouts = ExchangeTimeouts::new();
    let sent = poll_fn_with_now(now(), |context, now| {
        request.polled_at = now;
        let Request { relay, .. } = &mut *request;
        let pumped = pump(relay, &mut client.wire(context), &mut NoWire, &mut worker.scratch.borrow_mut());
        wait::poll_pump_result(worker, &mut client.timer, request, pumped, context)
    });
    if let Err(error) = sent.await {
        request.relay.fail(&error, wall_clock());
    }
}

/// Sends FIN, then reads and discards for a short time: closing with unread bytes sends a reset, which can overtake the
/// response on its way to the client (RFC 9112 §9.6).
pub(crate) async fn lingering_close<L: StreamLayer>(worker: &WorkerContext, client: &mut ClientConnection<L>) {
    client.request_buffer.clear();
    let deadline = now() + LINGER_TIMEOUT;
    let is_closed = poll_fn(|context| Poll::Ready(client.wire(context).shutdown_write().is_err())).await;
    if !is_closed {
        poll_fn_with_now(now(), |context, now| poll_linger(worker, client, deadline, now, context)).await;
    }
}

fn poll_linger<L: StreamLayer>(
    worker: &WorkerContext,
    client: &mut ClientConnection<L>,
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
