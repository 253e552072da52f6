//! From received bytes to a request with a route.

use std::{
    io::ErrorKind,
    task::{Context, Poll, ready},
    time::Instant,
};

use advanced_features::{request::context::RequestContext, routing::RequestInfo};
use common::{
    http::{FailureKind, Phase, ProtocolError, ProxyError, Side},
    shutdown::ShutdownStage,
};

use super::{active::ActiveRequest, wait};
use crate::{
    downstream::client_connection::ClientConnection,
    engine::Engine,
    filter::{Filter as _, WorkerFilter as _},
    worker::context::WorkerContext,
};

/// The outcome of waiting for a request head.
pub(crate) enum HeadOutcome<'w, E: Engine> {
    /// A request that has been routed.
    Request(ActiveRequest<'w, E>),
    /// Not a valid request, or not a whole one.
    Invalid(ProxyError),
    /// The connection was idle for too long.
    IdleTimeout,
    /// The client has closed the connection, or the process stops.
    Closed,
}

/// Reads until a request head is complete.
pub(crate) fn poll_head<'w, E: Engine>(
    worker: &'w WorkerContext<E>,
    client: &mut ClientConnection<E>,
    now: Instant,
    context: &mut Context<'_>,
) -> Poll<HeadOutcome<'w, E>> {
    client.guard.set_waker(context);
    let mut scratch = worker.scratch.borrow_mut();
    let mut new_bytes = 0;
    loop {
        match begin_request(worker, client, &scratch[..new_bytes], now) {
            Ok(Some(request)) => return Poll::Ready(HeadOutcome::Request(request)),
            Ok(None) => {}
            Err(error) => return Poll::Ready(HeadOutcome::Invalid(error)),
        }
        let idle = client.request_buffer.is_idle();
        let failed = |kind| ProxyError::new(kind, Side::Client, Phase::RequestHead);
        let received = client.recv_head(&mut scratch, context, now);
        new_bytes = match received {
            Ok(0) if idle => return Poll::Ready(HeadOutcome::Closed),
            Ok(0) => return Poll::Ready(HeadOutcome::Invalid(failed(FailureKind::IncompleteMessage))),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                ready!(wait::poll_head_deadline(worker, client, idle, now, context));
                let timed_out = failed(FailureKind::Timeout);
                return Poll::Ready(match (worker.stage(), idle) {
                    (ShutdownStage::Stopping, _) => HeadOutcome::Closed,
                    (_, true) => HeadOutcome::IdleTimeout,
                    (_, false) => HeadOutcome::Invalid(timed_out),
                });
            }
            Err(_) if idle => return Poll::Ready(HeadOutcome::Closed),
            Err(error) => return Poll::Ready(HeadOutcome::Invalid(failed(FailureKind::Reset).with_source(error))),
        };
        if idle {
            client.timeout_start = now;
        }
    }
}

/// Begins a request, routes it and asks the filters, if `new_bytes` complete its head.
fn begin_request<'w, E: Engine>(
    worker: &'w WorkerContext<E>,
    client: &mut ClientConnection<E>,
    new_bytes: &[u8],
    now: Instant,
) -> Result<Option<ActiveRequest<'w, E>>, ProxyError> {
    let invalid = |protocol_error| ProxyError::invalid_request(protocol_error, Phase::RequestHead);
    let balancer = worker.balancer();
    let splice_threshold = client.splice_threshold();
    let head = &mut *worker.head.borrow_mut();
    let Some(received) = client.request_buffer.read_request(new_bytes, head).map_err(invalid)? else { return Ok(None) };
    let head = head.view(received.head);
    let sender = client.client_address.real_ip(head, balancer.forwarding());
    if let Some(throttle) = &mut client.throttle {
        throttle.set_client(sender);
    }
    let mut info = RequestInfo::new(head, sender);
    if worker.server.filter.inspects_path() {
        info.check_path().map_err(|_| invalid(ProtocolError::RequestTarget))?;
    }
    let (decision, target) = balancer.route(&mut info, client.timeout_start).map_err(invalid)?;
    let head = target.as_deref().map_or(head, |target| head.with_target(target));
    client.request_count = client.request_count.wrapping_add(1);
    let id = balancer.instance_id().request_id(client.connection_id, client.request_count);
    info.set_request_id(id, client.client_address.is_trusted_proxy());
    let mut request = worker.take_request(client.client_address.peer(), client.timeout_start, now);
    request.relay.begin(head, balancer.forwarding(), &client.client_address, id).map_err(invalid)?;
    if let Some(threshold) = splice_threshold {
        request.relay.splice_bodies_from(threshold);
    }
    request.head_bytes = received.head.len();
    let length = received.head.len() + request.relay.take_client_bytes(received.rest)?;
    request.ctx = Some(RequestContext::new(decision));
    let mut request = ActiveRequest::new(worker, request);
    request.refusal = worker.filter.on_request(&mut request.filter_state, &info, now).err();
    client.request_buffer.consume(new_bytes, length);
    Ok(Some(request))
}
