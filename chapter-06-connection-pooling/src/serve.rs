//! Serves one client, from its first request to its last: the steps of a request, the same in every chapter.
//!
//! `next_head → admit → choose → connect → exchange → record`. It reads like chapter 4, where a thread blocked, and
//! works like chapter 5, where a loop called: the compiler turns the code between two `await`s into a state. New:
//! connections to backends come from the worker's pool, which all its clients share.

use std::{rc::Rc, sync::Arc};

use advanced_features::{
    balance::group::InFlightGuard,
    request::{attempt::Attempt, context::Dispatch, error::RequestError},
};
use common::{
    clock::now,
    http::{AfterClient, ExchangeTimeouts, LocalReply, ProxyError, Side},
    net::set_reset_on_close,
    shutdown::ShutdownStage,
};

use crate::{
    downstream::{client_connection::ClientConnection, receive_prelude::receive_prelude, respond_and_close},
    engine::Engine,
    request::{
        active::{self, ActiveRequest, Finished},
        begin::{self, HeadOutcome},
        state::Request,
        wait::{self, ExchangePoll},
    },
    timer::poll_fn_with_now,
    upstream::socket_pool,
    worker::context::WorkerContext,
};

// ANCHOR: serve
/// Serves a client until its connection has to be closed.
#[expect(clippy::manual_async_fn, reason = "the future of an async fn would store `client` twice")]
pub(crate) fn serve<E: Engine>(mut client: ClientConnection<E>) -> impl Future<Output = ()> {
    async move {
        let worker = Rc::clone(&client.guard.service);
        client.timeout_start = worker.begin_poll(); // not when it was accepted: others may have been polled since
        let mut after = AfterClient::KeepAlive;
        if worker.expects_prelude(client.client_address.peer()) {
            after = Box::pin(receive_prelude(&worker, &mut client)).await;
        }
        loop {
            match after {
                AfterClient::KeepAlive => {}
                AfterClient::Linger => return Box::pin(respond_and_close::lingering_close(&worker, &mut client)).await,
                AfterClient::Abort => return set_reset_on_close(&client.stream),
            }
            after = match next_head(&worker, &mut client).await {
                HeadOutcome::Request(request) => serve_request(&worker, &mut client, request).await,
                HeadOutcome::Invalid(error) => {
                    let request = respond_and_close::reject_request(&worker, &mut client, &error).await;
                    record(&mut client, request)
                }
                HeadOutcome::IdleTimeout => AfterClient::Linger,
                HeadOutcome::Closed => return,
            };
        }
    }
}
// ANCHOR_END: serve

async fn serve_request<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    mut request: ActiveRequest<'_, E>,
) -> AfterClient {
    let outcome = match admit(worker, &mut request) {
        Ok(()) => run_attempts(worker, client, &mut request).await,
        Err(refusal) => Err(refusal.into()),
    };
    if let Err(error) = outcome {
        let date = worker.date(request.polled_at);
        error.answer(&mut request.relay, date);
        respond_and_close::send_local_reply(worker, client, &mut request).await;
    }
    record(client, request)
}

// ANCHOR: attempts
/// Tries one backend after another, until one has answered or no other may be tried.
async fn run_attempts<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    request: &mut Request<E>,
) -> Result<(), RequestError> {
    loop {
        let in_flight = choose(worker, client, request).await?;
        let backend = Arc::clone(in_flight.backend());
        match connect(worker, client, request, in_flight).await {
            Ok(()) => {}
            // Nothing was sent, so any request may go to the next backend, even a POST.
            Err(error) if error.side == Side::Backend => {
                request.ctx().exclude_backend(&backend, error);
                continue;
            }
            Err(internal_error) => return Err(internal_error.into()),
        }
        let Err(error) = exchange(worker, client, request).await else { return Ok(()) };
        let reused = request.attempt.as_ref().is_some_and(|attempt| attempt.reused);
        active::report_attempt(worker, request, backend.id(), reused, Some((&error).into()));
        if !request.relay.may_retry(&error) {
            return Err(error.into());
        }
        if let Some(attempt) = request.attempt.take_if(|attempt| attempt.reused) {
            // The backend closed the connection while it was idle, which is no failure: the request stays with it.
            request.ctx().needs_fresh_connection = true;
            request.ctx().keep_slot(attempt.into_slot());
        } else {
            Box::pin(wait::wait_for_retry(worker, client, request, error, &backend)).await?;
            request.attempt = None;
        }
    }
}
// ANCHOR_END: attempts

/// Waits for a request head.
async fn next_head<'w, E: Engine>(
    worker: &'w WorkerContext<E>,
    client: &mut ClientConnection<E>,
) -> HeadOutcome<'w, E> {
    let (first_now, read_clock) = (client.timeout_start, || worker.begin_poll());
    poll_fn_with_now(first_now, read_clock, |context, now| begin::poll_head(worker, client, now, context)).await
}

/// Admits the request, unless a filter has refused it, we are its final recipient, no routing rule matches it, or its
/// group's breaker is open. While the process drains, each request is the last of its connection.
fn admit<E: Engine>(worker: &WorkerContext<E>, request: &mut Request<E>) -> Result<(), LocalReply> {
    if worker.stage() > ShutdownStage::Running {
        request.relay.close_after_response();
    }
    if let Some(refusal) = request.refusal.or_else(|| request.relay.final_recipient_reply()) {
        return Err(refusal);
    }
    let now = request.polled_at;
    worker.balancer().admit(request.ctx(), now)
}

/// Chooses a backend and takes one of its slots, at once or after waiting in the queue.
async fn choose<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    request: &mut Request<E>,
) -> Result<InFlightGuard, RequestError> {
    let now = request.polled_at;
    match request.ctx().choose(now)? {
        Dispatch::Backend(in_flight) => Ok(in_flight),
        Dispatch::Queue => Box::pin(wait::wait_for_slot(worker, client, request)).await,
    }
}

// ANCHOR: connect
/// Takes an idle connection, or connects. A failed connect opens the backend's connect breaker.
async fn connect<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    request: &mut Request<E>,
    in_flight: InFlightGuard,
) -> Result<(), ProxyError> {
    (request.attempt_started_at, request.connected_at, request.attempt_is_reported) = (request.polled_at, None, false);
    let idempotent = request.relay.request_meta().is_some_and(|meta| meta.method.is_idempotent());
    let fresh = request.ctx().needs_fresh_connection;
    let idle_connection =
        if fresh { None } else { socket_pool::take(worker, in_flight.backend(), idempotent, request.polled_at) };
    let reused = idle_connection.is_some();
    let connected = match idle_connection {
        Some(upstream) => Ok(upstream),
        None => Box::pin(wait::wait_for_connect(worker, client, request, in_flight.backend())).await,
    };
    worker.balancer().record_connect(in_flight.backend(), connected.as_ref().err(), request.polled_at);
    let backend = in_flight.backend().id();
    let upstream = connected.inspect_err(|error| {
        active::report_attempt(worker, request, backend, reused, Some(error.into()));
    })?;
    request.connected_at = Some(request.polled_at);
    if request.own_time.is_measured() {
        request.own_time.connected(request.polled_at, now());
    }
    in_flight.backend().totals.count_request();
    request.relay.attempt(reused);
    request.relay.clear_response_fields();
    if let Some(cookie) = request.ctx().set_cookie_for(in_flight.backend()) {
        request.relay.add_response_field("Set-Cookie", &cookie);
    }
    request.attempt = Some(Attempt::new(in_flight, upstream, reused, request.started_at, request.polled_at));
    (request.exchange_timeouts, request.first_byte_at) = (ExchangeTimeouts::new(), None);
    Ok(())
}
// ANCHOR_END: connect

/// Relays the request and its answer.
async fn exchange<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
    request: &mut Request<E>,
) -> Result<(), ProxyError> {
    let read_clock = || worker.begin_poll();
    let exchanged = poll_fn_with_now(request.polled_at, read_clock, |context, now| {
        wait::poll_exchange(worker, client, request, now, context)
    });
    match exchanged.await {
        ExchangePoll::Done(outcome) => outcome,
        ExchangePoll::WatchForReset => Box::pin(wait::exchange_watching_for_reset(worker, client, request)).await,
    }
}

/// Records the exchange, and takes over what the client has sent of its next request.
fn record<E: Engine>(client: &mut ClientConnection<E>, request: ActiveRequest<'_, E>) -> AfterClient {
    let ended_at = request.polled_at;
    let Finished { after, pipelined } = request.finish();
    if after == AfterClient::KeepAlive {
        client.timeout_start = ended_at;
        client.request_buffer.push_pipelined(pipelined);
    }
    after
}
