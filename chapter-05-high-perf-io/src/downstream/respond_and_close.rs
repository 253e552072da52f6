//! Local replies, and the lingering close of a client's connection.

use std::{io::ErrorKind, mem, time::Instant};

use advanced_features::request::error::RequestError;
use common::{
    clock::wall_clock,
    http::{ExchangeTimeouts, FailureKind, NoWire, ProxyError, Pumped, Side, Wire as _},
    timeouts::{LINGER_TIMEOUT, MAX_LINGER_READS},
};

use super::client_connection::ClientConnection;
use crate::{
    request::{
        state::{Request, State},
        transition::Transition,
    },
    worker::context::WorkerContext,
};

/// Answers with a local reply instead of a backend's response.
pub(crate) fn start_local_reply(mut request: Box<Request>, error: &RequestError) -> Transition {
    error.answer(&mut request.relay, wall_clock());
    request.exchange_timeouts = ExchangeTimeouts::new();
    Transition::To(State::SendingLocalReply(request))
}

/// Answers an invalid request.
pub(crate) fn reject_request(
    worker: &mut WorkerContext,
    connection: &ClientConnection,
    error: &ProxyError,
) -> Transition {
    let mut request = worker.free_requests.take(connection.timeout_start);
    request.relay.reject_request(error, wall_clock());
    request.exchange_timeouts = ExchangeTimeouts::new();
    Transition::To(State::SendingLocalReply(request))
}

/// Sends a local reply to the client. If the client does not take it, the exchange ends all the same.
pub(crate) fn send_local_reply(
    worker: &mut WorkerContext,
    connection: &mut ClientConnection,
    mut request: Box<Request>,
) -> Transition {
    let Request { relay, exchange_timeouts, .. } = &mut *request;
    let error = match worker.pump(relay, &mut connection.socket, &mut NoWire) {
        Ok(Pumped::Done) => return Transition::Ended(request),
        Ok(Pumped::Yield) => return Transition::Yield(State::SendingLocalReply(request)),
        Ok(Pumped::Wait(_)) => {
            let deadline = exchange_timeouts.deadline(relay, &worker.balancer.config().timeouts, worker.now);
            if worker.now < deadline {
                return Transition::Wait(State::SendingLocalReply(request), deadline);
            }
            relay.timeout_error()
        }
        Err(error) => error,
    };
    relay.fail(&error, wall_clock());
    Transition::Ended(request)
}

/// Sends FIN, then reads and discards for a short time: closing with unread bytes sends a reset, which can overtake the
/// response on its way to the client (RFC 9112 §9.6).
pub(crate) fn lingering_close(worker: &mut WorkerContext, connection: &mut ClientConnection) -> Transition {
    connection.idle_pool.clear();
    connection.request_buffer.clear();
    match connection.socket.shutdown_write() {
        Ok(()) => Transition::To(State::Lingering(worker.now + LINGER_TIMEOUT)),
        Err(_) => Transition::Close, // already closed
    }
}

/// Continues a lingering close.
pub(crate) fn linger(worker: &mut WorkerContext, connection: &mut ClientConnection, deadline: Instant) -> Transition {
    if worker.now >= deadline {
        return Transition::Close;
    }
    for _ in 0..MAX_LINGER_READS {
        match connection.socket.recv(&mut worker.scratch) {
            Ok(0) => return Transition::Close,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Transition::Wait(State::Lingering(deadline), deadline);
            }
            Err(_) => return Transition::Close,
        }
    }
    Transition::Yield(State::Lingering(deadline))
}

/// The process drains: the request in flight becomes the last of its connection.
pub(crate) fn on_drain(connection: &mut ClientConnection) {
    if let Some(request) = connection.state.request_mut() {
        request.relay.close_after_response();
    }
}

/// The process stops now: sends a local reply to a client that waits for a response, as far as that does not block.
/// Returns the request in flight, if there is one, to be recorded.
pub(crate) fn on_stop(worker: &mut WorkerContext, connection: &mut ClientConnection) -> Option<Box<Request>> {
    let mut request = mem::replace(&mut connection.state, State::ReadingHead).into_request()?;
    let stopped = ProxyError::new(FailureKind::ShuttingDown, Side::Internal, request.relay.phase());
    request.relay.fail(&stopped, wall_clock());
    let _ = worker.pump(&mut request.relay, &mut connection.socket, &mut NoWire);
    Some(request)
}
