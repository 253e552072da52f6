//! One client, from its first request to its last: the steps that every chapter takes.
//!
//! `next_head → admit → choose → connect → exchange → record`. It reads as chapter 4's does, where a thread slept, and
//! does what chapter 5's does, where a loop called: the compiler makes the states of what stands between two `await`s.
//! New: a connection to a backend comes from the core's pool, whoever had it before.

use std::{
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use advanced_features::{
    balance::group::InFlight,
    request::{attempt::Attempt, context::Next, local_reply::Trouble},
};
use common::{
    http::{AfterBackend, AfterClient, Layer, Patience, ProxyError, Pumped, Side},
    net::set_reset_on_close,
    shutdown::Stage,
};

use crate::{
    downstream::{client_connection::Client, respond_and_close},
    request::{
        begin::{self, Came},
        state::Request,
        wait::{self, Moved},
    },
    timer::poll_timed,
    upstream::socket_pool,
    worker::context::Core,
};

// ANCHOR: serve
/// Serves a client until it leaves, or may not stay.
#[expect(clippy::manual_async_fn, reason = "the future of an async fn would store `client` twice")]
pub(crate) fn serve<L: Layer>(mut client: Client<L>) -> impl Future<Output = ()> {
    async move {
        let core = Rc::clone(&client.visit.core);
        loop {
            let after = match next_head(&core, &mut client).await {
                Came::Request(request) => one_request(&core, &mut client, request).await,
                Came::Refused(error) => {
                    let request = Box::pin(respond_and_close::reject(&core, &mut client, &error)).await;
                    record(&core, &mut client, request)
                }
                Came::Nothing => AfterClient::Linger,
                Came::End => return,
            };
            match after {
                AfterClient::KeepAlive => {}
                AfterClient::Linger => return Box::pin(respond_and_close::part(&core, &mut client)).await,
                AfterClient::Abort => return set_reset_on_close(&client.stream),
            }
        }
    }
}
// ANCHOR_END: serve

async fn one_request<L: Layer>(core: &Core, client: &mut Client<L>, mut request: Box<Request>) -> AfterClient {
    let outcome = match admit(core, &mut request) {
        Ok(()) => attempts(core, client, &mut request).await,
        refused => refused,
    };
    if let Err(trouble) = outcome {
        Box::pin(respond_and_close::give_up(core, client, &mut request, &trouble)).await;
    }
    record(core, client, request)
}

// ANCHOR: attempts
/// Asks one backend after another, until one has answered or nobody else may be asked.
async fn attempts<L: Layer>(core: &Core, client: &mut Client<L>, request: &mut Request) -> Result<(), Trouble> {
    loop {
        let taken = choose(core, client, request).await?;
        let backend = Arc::clone(taken.backend());
        match connect(core, client, request, taken).await {
            Ok(()) => {}
            // Nothing was sent, so any request may go to the next one, a POST too.
            Err(error) if error.side == Side::Backend => {
                request.course().pass_by(&backend, error);
                continue;
            }
            Err(ours) => return Err(ours.into()),
        }
        let Err(error) = exchange(core, client, request).await else { return Ok(()) };
        if !request.relay.may_retry(&error) {
            return Err(error.into());
        }
        if request.attempt.as_ref().is_some_and(|attempt| attempt.reused) {
            // It had ended while it rested, which says nothing about the backend: it may be chosen again.
            request.course().fresh = true;
        } else {
            Box::pin(wait::wait_for_retry(core, client, request, error, &backend)).await?;
        }
        request.attempt = None;
    }
}
// ANCHOR_END: attempts

/// Waits for a request.
async fn next_head<L: Layer>(core: &Core, client: &mut Client<L>) -> Came {
    poll_timed(client.since, |context, now| begin::poll_head(core, client, now, context)).await
}

/// Lets the request in, unless no rule takes it or its group is left alone. While the process drains, each is its
/// connection's last.
fn admit(core: &Core, request: &mut Request) -> Result<(), Trouble> {
    if core.stage() > Stage::Running {
        request.relay.close_after();
    }
    let now = request.now;
    core.balancer().admit(request.course(), now)
}

/// Chooses a backend and takes a slot of it, at once or in its turn.
async fn choose<L: Layer>(core: &Core, client: &mut Client<L>, request: &mut Request) -> Result<InFlight, Trouble> {
    let now = request.now;
    match request.course().choose(now)? {
        Next::Backend(taken) => Ok(taken),
        Next::Queue => Box::pin(wait::wait_for_slot(core, client, request)).await,
    }
}

// ANCHOR: connect
/// Takes a connection that rests, or makes one. One that fails leaves the backend out for a while.
async fn connect<L: Layer>(
    core: &Core,
    client: &mut Client<L>,
    request: &mut Request,
    taken: InFlight,
) -> Result<(), ProxyError> {
    let idempotent = request.relay.ask().is_some_and(|ask| ask.method.is_idempotent());
    let fresh = request.course().fresh;
    let rested = if fresh { None } else { socket_pool::take(core, taken.backend(), idempotent, request.now) };
    let reused = rested.is_some();
    let connected = match rested {
        Some(upstream) => Ok(upstream),
        None => Box::pin(wait::wait_for_connect(core, client, request, taken.backend())).await,
    };
    core.balancer().connect_ended(taken.backend(), connected.as_ref().err(), request.now);
    let upstream = connected?;
    taken.backend().totals.sent();
    request.relay.attempt(reused);
    request.relay.forget_added_fields();
    if let Some(cookie) = request.course().cookie(taken.backend()) {
        request.relay.add_to_response("Set-Cookie", &cookie);
    }
    request.attempt = Some(Attempt::new(taken, upstream, reused, request.started, request.now));
    (request.patience, request.first_byte) = (Patience::new(), None);
    Ok(())
}
// ANCHOR_END: connect

/// Relays the request and its answer.
async fn exchange<L: Layer>(core: &Core, client: &mut Client<L>, request: &mut Request) -> Result<(), ProxyError> {
    match poll_timed(request.now, |context, now| poll_exchange(core, client, request, now, context)).await {
        Moved::Over(outcome) => outcome,
        Moved::Unheard => Box::pin(wait::exchange_unheard(core, client, request)).await,
    }
}

// ANCHOR: exchange
/// Moves what can be moved between the two sockets.
fn poll_exchange<L: Layer>(
    core: &Core,
    client: &mut Client<L>,
    request: &mut Request,
    now: Instant,
    context: &mut Context<'_>,
) -> Poll<Moved> {
    request.now = now;
    let Request { relay, attempt, .. } = request;
    let upstream = &mut attempt.as_mut().expect("an exchange always has an attempt").socket;
    let pumped = client.pump(core, relay, &mut upstream.stream, context);
    if let Ok(Pumped::Wait(wants)) = pumped
        && wants.client.is_none()
        && client.stream.poll_read_ready(context).is_ready()
    {
        return Poll::Ready(Moved::Unheard);
    }
    wait::poll_over(core, &mut client.alarm, request, pumped, context).map(Moved::Over)
}
// ANCHOR_END: exchange

/// Closes the books on the exchange, and keeps the connection if it may be used again.
fn record<L: Layer>(core: &Core, client: &mut Client<L>, mut request: Box<Request>) -> AfterClient {
    let (mut exchange, after, upstream) = request.relay.end();
    let Request { started, now, .. } = *request;
    exchange.times.total = now.saturating_duration_since(started);
    if let Some(attempt) = request.attempt.take() {
        attempt.close(&mut exchange, started, request.first_byte, now);
        if upstream == AfterBackend::Pool {
            socket_pool::keep(core, attempt.into_socket(), now);
        }
    }
    if let Some(course) = &mut request.course {
        course.close(&mut exchange, now);
    }
    core.balancer().log_and_count(client.address.peer(), &exchange);
    let ahead = request.relay.take_surplus();
    core.give_box_back(request);
    if after == AfterClient::KeepAlive {
        client.since = now;
        client.inbox.keep(ahead);
    }
    after
}
