//! From received bytes to a request with a route.

use std::{
    io::ErrorKind,
    task::{Context, Poll, ready},
    time::Instant,
};

use common::{
    http::{FailureKind, Phase, ProxyError, Side, StreamLayer, Wire as _},
    shutdown::ShutdownStage,
};

use super::{state::Request, wait};
use crate::{downstream::client_connection::ClientConnection, worker::context::WorkerContext};

/// What a wait for a request comes to.
pub(crate) enum HeadOutcome {
    /// A request, and where it is to go.
    Request(Box<Request>),
    /// What is none.
    Invalid(ProxyError),
    /// Nothing, for too long.
    IdleTimeout,
    /// The client has gone, or the process stops.
    Closed,
}

/// Reads until a request is there.
pub(crate) fn poll_head<L: StreamLayer>(
    worker: &WorkerContext,
    client: &mut ClientConnection<L>,
    now: Instant,
    context: &mut Context<'_>,
) -> Poll<HeadOutcome> {
    worker.set_waker(client.guard.task_id, context);
    let mut scratch = worker.scratch.borrow_mut();
    let mut came = 0;
    loop {
        match begin_request(worker, client, &scratch[..came], now) {
            Ok(Some(request)) => return Poll::Ready(HeadOutcome::Request(request)),
            Ok(None) => {}
            Err(error) => return Poll::Ready(HeadOutcome::Invalid(error)),
        }
        let idle = client.request_buffer.is_idle();
        let failed = |kind| ProxyError::new(kind, Side::Client, Phase::RequestHead);
        let received = client.wire(context).recv(&mut scratch);
        came = match received {
            Ok(0) if idle => return Poll::Ready(HeadOutcome::Closed),
            Ok(0) => return Poll::Ready(HeadOutcome::Invalid(failed(FailureKind::IncompleteMessage))),
            Ok(came) => came,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                ready!(wait::poll_head_deadline(worker, client, idle, now, context));
                let late = failed(FailureKind::Timeout);
                return Poll::Ready(match (worker.stage(), idle) {
                    (ShutdownStage::Stopping, _) => HeadOutcome::Closed,
                    (_, true) => HeadOutcome::IdleTimeout,
                    (_, false) => HeadOutcome::Invalid(late),
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

/// Takes up a request if its head is there, and finds out where it is to go.
fn begin_request<L: StreamLayer>(
    worker: &WorkerContext,
    client: &mut ClientConnection<L>,
    came: &[u8],
    now: Instant,
) -> Result<Option<Box<Request>>, ProxyError> {
    let refused = |protocol_error| ProxyError::invalid_request(protocol_error, Phase::RequestHead);
    let balancer = worker.balancer();
    let head = &mut *worker.head.borrow_mut();
    let Some(received) = client.request_buffer.read_request(came, head).map_err(refused)? else { return Ok(None) };
    let head = head.view(received.head);
    let sender = client.client_address.real_ip(head, balancer.forwarding());
    let (ctx, target) = balancer.route(head, sender, client.timeout_start).map_err(refused)?;
    let head = target.as_deref().map_or(head, |target| head.with_target(target));
    client.request_count = client.request_count.wrapping_add(1);
    let id = balancer.identity().request_id(client.connection_id, client.request_count);
    let mut request = worker.take_request(client.timeout_start, now);
    request.relay.begin(head, balancer.forwarding(), &client.client_address, id).map_err(refused)?;
    request.relay.push_client_bytes(received.rest)?;
    request.ctx = Some(ctx);
    client.request_buffer.clear();
    Ok(Some(request))
}
