//! After a pump: the body that the relay leaves to what moves large bodies.

use std::{
    ops::ControlFlow,
    task::{Context, Poll},
    time::Instant,
};

use common::http::{Pause, ProxyError, Pumped, Relay};

use crate::{
    engine::{Engine, SpliceState},
    splice::{ExchangeSockets, WorkerSplice as _},
    worker::{context::WorkerContext, stats::ClientBytes},
};

/// Moves a spliced body as far as possible, if there is one and the pump waits. `Continue`: pump again.
#[inline]
pub(super) fn splice_body<E: Engine>(
    worker: &WorkerContext<E>,
    relay: &mut Relay,
    state: &mut SpliceState<E>,
    pumped: Result<Pumped<Pause>, ProxyError>,
    (sockets, now): (ExchangeSockets<'_>, Instant),
    context: &mut Context<'_>,
) -> ControlFlow<Result<Pumped<Pause>, ProxyError>> {
    if matches!(pumped, Ok(Pumped::Wait(_))) && relay.spliced_body().is_some() {
        move_body(worker, relay, state, (sockets, now), context)
    } else {
        ControlFlow::Break(pumped)
    }
}

fn move_body<E: Engine>(
    worker: &WorkerContext<E>,
    relay: &mut Relay,
    state: &mut SpliceState<E>,
    (sockets, now): (ExchangeSockets<'_>, Instant),
    context: &mut Context<'_>,
) -> ControlFlow<Result<Pumped<Pause>, ProxyError>> {
    let (received, sent) = (relay.body_bytes_received(), relay.bytes_sent());
    let polled = worker.splice.poll(state, relay, sockets, now, context);
    worker
        .stats()
        .count_bytes(ClientBytes { received: relay.body_bytes_received() - received, sent: relay.bytes_sent() - sent });
    match polled {
        Poll::Pending => ControlFlow::Break(Ok(Pumped::Wait(relay.wants()))),
        Poll::Ready(Ok(())) => ControlFlow::Continue(()),
        Poll::Ready(Err(error)) => ControlFlow::Break(Err(error)),
    }
}
