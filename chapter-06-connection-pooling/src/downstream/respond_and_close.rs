//! How a client gets an answer of our own, and how it is parted with.

use std::{
    future::poll_fn,
    io::ErrorKind,
    task::{Context, Poll},
    time::Instant,
};

use advanced_features::request::local_reply::Trouble;
use common::{
    clock::{now, wall_clock},
    http::{Layer, NoWire, Patience, ProxyError, Wire as _, pump},
    shutdown::Stage,
    timeouts::{LINGER_READS, LINGER_TIMEOUT},
};

use super::client_connection::Client;
use crate::{
    request::{state::Request, wait},
    timer::poll_timed,
    worker::context::Core,
};

/// Answers in the backend's place.
pub(crate) async fn give_up<L: Layer>(core: &Core, client: &mut Client<L>, request: &mut Request, trouble: &Trouble) {
    trouble.answer(&mut request.relay, wall_clock());
    deliver(core, client, request).await;
}

/// Answers what is no request. Gives what is to be recorded.
pub(crate) async fn reject<L: Layer>(core: &Core, client: &mut Client<L>, error: &ProxyError) -> Box<Request> {
    let mut request = core.take_box(client.since, now());
    request.relay.reject(error, wall_clock());
    deliver(core, client, &mut request).await;
    request
}

/// Moves our own answer to the client. If it will not have it, the exchange is over all the same.
async fn deliver<L: Layer>(core: &Core, client: &mut Client<L>, request: &mut Request) {
    request.patience = Patience::new();
    let delivered = poll_timed(now(), |context, now| {
        request.now = now;
        let Request { relay, .. } = &mut *request;
        let pumped = pump(relay, &mut client.wire(context), &mut NoWire, &mut core.scratch.borrow_mut());
        wait::poll_over(core, &mut client.alarm, request, pumped, context)
    });
    if let Err(error) = delivered.await {
        request.relay.fail(&error, wall_clock());
    }
}

/// FIN, and then a short while of reading and throwing away: to close with bytes unread would send a reset, which can
/// overtake the answer on its way to the client (RFC 9112 §9.6).
pub(crate) async fn part<L: Layer>(core: &Core, client: &mut Client<L>) {
    client.inbox.clear();
    let by = now() + LINGER_TIMEOUT;
    let is_gone = poll_fn(|context| Poll::Ready(client.wire(context).shut_write().is_err())).await;
    if !is_gone {
        poll_timed(now(), |context, now| poll_linger(core, client, by, now, context)).await;
    }
}

fn poll_linger<L: Layer>(
    core: &Core,
    client: &mut Client<L>,
    by: Instant,
    now: Instant,
    context: &mut Context<'_>,
) -> Poll<()> {
    if core.stage() == Stage::Now || now >= by {
        return Poll::Ready(());
    }
    for _ in 0..LINGER_READS {
        let received = client.wire(context).recv(&mut core.scratch.borrow_mut());
        match received {
            Ok(0) => return Poll::Ready(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return client.alarm.poll(by, now, context),
            Err(_) => return Poll::Ready(()),
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}
