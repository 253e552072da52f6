//! Drives one connection until it would block: the steps of a request, the same in every chapter.
//!
//! `next_head → admit → choose → connect → exchange → record`. New since chapter 4: no step blocks. Where a thread
//! would block, a step returns what the connection waits for and until when, and the event loop calls again.

use std::{io::ErrorKind, mem};

use advanced_features::{balance::group::InFlightGuard, request::context::Dispatch};
use common::http::{AfterBackend, AfterClient, FailureKind, Input, Phase, ProxyError, Pumped, Side, Wire as _};

use crate::{
    downstream::{client_connection::ClientConnection, respond_and_close},
    request::{
        begin, connecting,
        state::{ConnectWait, Request, State},
        transition::{Progress, Transition},
        wait,
    },
    upstream::connect::Connecting,
    worker::context::WorkerContext,
};

/// How many requests of one client may end before the others are served. A client that pipelines requests, which are
/// answered locally or as quickly as it sends them, never has to wait.
const REQUESTS_PER_TURN: u32 = 16;

// ANCHOR: serve
/// Drives the connection until it has to wait, yields or closes.
pub(crate) fn serve(worker: &mut WorkerContext, connection: &mut ClientConnection) -> Progress {
    let last_of_turn = connection.request_count.wrapping_add(REQUESTS_PER_TURN);
    loop {
        if connection.request_count == last_of_turn && matches!(connection.state, State::ReadingHead) {
            return Progress::Yield;
        }
        let mut step = match mem::replace(&mut connection.state, State::ReadingHead) {
            State::ReadingHead => next_head(worker, connection),
            State::Choosing(request) => choose(worker, connection, request),
            State::Queued(request, queued) => wait::wait_for_slot(worker, connection, request, queued),
            State::Connecting(request, connecting) => connecting::advance(worker, connection, request, connecting),
            State::Exchanging(request) => exchange(worker, connection, request),
            State::BackingOff(request, retry_wait) => wait::wait_for_retry(worker, connection, request, retry_wait),
            State::SendingLocalReply(request) => respond_and_close::send_local_reply(worker, connection, request),
            State::Lingering(deadline) => respond_and_close::linger(worker, connection, deadline),
        };
        loop {
            step = match step {
                Transition::Connect(request, in_flight) => connect(worker, connection, request, in_flight),
                Transition::Ended(request) => record(worker, connection, request),
                Transition::To(state) => {
                    connection.state = state;
                    break;
                }
                Transition::Wait(state, deadline) => {
                    connection.state = state;
                    return Progress::Wait(deadline);
                }
                Transition::Yield(state) => {
                    connection.state = state;
                    return Progress::Yield;
                }
                Transition::Close => return Progress::Close,
            };
        }
    }
}
// ANCHOR_END: serve

/// Reads until a request head is complete.
fn next_head(worker: &mut WorkerContext, connection: &mut ClientConnection) -> Transition {
    let mut new_bytes = 0;
    loop {
        match begin::begin_request(worker, connection, new_bytes) {
            Ok(Some(request)) => return admit(worker, request),
            Ok(None) => {}
            Err(error) => return respond_and_close::reject_request(worker, connection, &error),
        }
        let idle = connection.request_buffer.is_idle();
        let failed = |kind| ProxyError::new(kind, Side::Client, Phase::RequestHead);
        new_bytes = match connection.socket.recv(&mut worker.scratch) {
            Ok(0) if idle => return Transition::Close,
            Ok(0) => {
                return respond_and_close::reject_request(worker, connection, &failed(FailureKind::IncompleteMessage));
            }
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return wait::wait_for_head(worker, connection, idle);
            }
            Err(_) if idle => return Transition::Close,
            Err(error) => {
                return respond_and_close::reject_request(
                    worker,
                    connection,
                    &failed(FailureKind::Reset).with_source(error),
                );
            }
        };
        if idle {
            connection.timeout_start = worker.now;
        }
    }
}

/// Admits the request, unless we are its final recipient, no routing rule matches it, or its group's breaker is open.
/// While the process drains, each request is the last of its connection.
fn admit(worker: &mut WorkerContext, mut request: Box<Request>) -> Transition {
    if worker.drain_started_at.is_some() {
        request.relay.close_after_response();
    }
    let refusal = request.relay.final_recipient_reply();
    match refusal.map_or_else(|| worker.balancer.admit(request.ctx(), worker.now), Err) {
        Ok(()) => Transition::To(State::Choosing(request)),
        Err(reply) => respond_and_close::start_local_reply(request, &reply.into()),
    }
}

/// Chooses a backend and takes one of its slots, or enters the queue.
fn choose(worker: &mut WorkerContext, connection: &mut ClientConnection, mut request: Box<Request>) -> Transition {
    match request.ctx().choose(worker.now) {
        Ok(Dispatch::Backend(in_flight)) => connect(worker, connection, request, in_flight),
        Ok(Dispatch::Queue) => wait::enqueue(worker, connection, request),
        Err(error) => respond_and_close::start_local_reply(request, &error),
    }
}

/// Takes an idle connection, or starts to connect.
fn connect(
    worker: &mut WorkerContext,
    connection: &mut ClientConnection,
    mut request: Box<Request>,
    in_flight: InFlightGuard,
) -> Transition {
    let backend = in_flight.backend();
    let idempotent = request.relay.request_meta().is_some_and(|meta| meta.method.is_idempotent());
    let idle_connection = if request.ctx().needs_fresh_connection {
        None
    } else {
        connection.idle_pool.take(backend.id(), idempotent, worker.now)
    };
    if let Some(upstream) = idle_connection {
        return connecting::start_exchange(worker, request, in_flight, upstream, true);
    }
    let deadline = worker.now + worker.balancer.config().timeouts.connect;
    if worker.has_fd_pressure() {
        connection.idle_pool.clear();
    }
    let connecting = Connecting::new(backend.addresses().connect_plan(worker.now, deadline));
    Transition::To(State::Connecting(request, Box::new(ConnectWait { in_flight, connecting })))
}

// ANCHOR: exchange
/// Moves the bytes that can be moved between the two sockets now.
fn exchange(worker: &mut WorkerContext, connection: &mut ClientConnection, mut request: Box<Request>) -> Transition {
    let Request { relay, exchange_timeouts, attempt, first_byte_at, .. } = &mut *request;
    let attempt = attempt.as_mut().expect("an exchange always has an attempt");
    let mut pumped = worker.pump(relay, &mut connection.socket, &mut attempt.connection.socket);
    if first_byte_at.is_none() && relay.backend_status().is_some() {
        *first_byte_at = Some(worker.now);
    }
    if let Ok(Pumped::Wait(wants)) = pumped
        && wants.client.is_none()
        && connection.socket.has_failed()
    {
        // Nothing is read from the client now, so no read would report the reset: tell the relay.
        pumped = relay.from_client(Input::Reset).map(|_| Pumped::Wait(wants));
    }
    match pumped {
        Ok(Pumped::Done) => record(worker, connection, request),
        Ok(Pumped::Yield) => Transition::Yield(State::Exchanging(request)),
        Ok(Pumped::Wait(_)) => {
            let deadline = exchange_timeouts.deadline(relay, &worker.balancer.config().timeouts, worker.now);
            if worker.now < deadline {
                return Transition::Wait(State::Exchanging(request), deadline);
            }
            let timed_out = relay.timeout_error();
            wait::retry_or_fail(worker, request, timed_out)
        }
        Err(error) => wait::retry_or_fail(worker, request, error),
    }
}
// ANCHOR_END: exchange

/// Records the exchange, and keeps the connections that may be reused.
pub(crate) fn record(
    worker: &mut WorkerContext,
    connection: &mut ClientConnection,
    mut request: Box<Request>,
) -> Transition {
    let (mut exchange, after, upstream) = request.relay.end();
    let started = request.started_at.unwrap_or(worker.now);
    exchange.times.total = worker.now.saturating_duration_since(started);
    if let Some(attempt) = request.attempt.take() {
        attempt.finish(&mut exchange, started, request.first_byte_at, worker.now);
        if upstream == AfterBackend::Pool {
            if worker.has_fd_pressure() {
                connection.idle_pool.clear();
            }
            let (upstream, in_flight) = attempt.into_parts();
            in_flight.backend().keep_alive.set_timeout(request.relay.backend_keep_alive());
            connection.idle_pool.put(in_flight.backend(), upstream, worker.now);
        }
    }
    if let Some(ctx) = &mut request.ctx {
        ctx.finish(&mut exchange, worker.now);
    }
    worker.balancer.log_and_count(connection.client_address.peer(), &exchange);
    let pipelined = request.relay.take_pipelined();
    worker.free_requests.recycle(request);
    match after {
        AfterClient::KeepAlive => {
            connection.timeout_start = worker.now;
            connection.request_buffer.push_pipelined(pipelined);
            Transition::To(State::ReadingHead)
        }
        AfterClient::Linger => respond_and_close::lingering_close(worker, connection),
        AfterClient::Abort => {
            connection.socket.reset_on_close();
            Transition::Close
        }
    }
}
