//! How a client gets an answer of our own, and how it is parted with.

use std::{io::ErrorKind, mem, time::Instant};

use advanced_features::request::local_reply::LocalReply;
use common::{
    clock::wall_clock,
    http::{ExchangeTimeouts, FailureKind, NoWire, ProxyError, Pumped, Side, Wire as _, pump},
    timeouts::{LINGER_READS, LINGER_TIMEOUT},
};

use super::client_connection::ClientConnection;
use crate::{
    request::{
        state::{Request, State},
        transition::Transition,
    },
    worker::context::WorkerContext,
};

/// Answers in the backend's place.
pub(crate) fn respond_locally(mut request: Box<Request>, reply: &LocalReply) -> Transition {
    reply.write_to(&mut request.relay, wall_clock());
    request.exchange_timeouts = ExchangeTimeouts::new();
    Transition::To(State::SendingLocalReply(request))
}

/// Answers what is no request.
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

/// Moves our own answer to the client. If it will not have it, the exchange is over all the same.
pub(crate) fn send_local_reply(
    worker: &mut WorkerContext,
    connection: &mut ClientConnection,
    mut request: Box<Request>,
) -> Transition {
    let Request { relay, exchange_timeouts, .. } = &mut *request;
    let error = match pump(relay, &mut connection.socket, &mut NoWire, &mut worker.scratch) {
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

/// FIN, and then a short while of reading and throwing away: to close with bytes unread would send a reset, which can
/// overtake the answer on its way to the client (RFC 9112 §9.6).
pub(crate) fn lingering_close(worker: &mut WorkerContext, connection: &mut ClientConnection) -> Transition {
    connection.idle_pool.clear();
    connection.request_buffer.clear();
    match connection.socket.shutdown_write() {
        Ok(()) => Transition::To(State::Lingering(worker.now + LINGER_TIMEOUT)),
        Err(_) => Transition::Close, // it is gone
    }
}

/// Goes on with that.
pub(crate) fn linger(worker: &mut WorkerContext, connection: &mut ClientConnection, deadline: Instant) -> Transition {
    if worker.now >= deadline {
        return Transition::Close;
    }
    for _ in 0..LINGER_READS {
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

/// The process drains: the request under way is to be its connection's last.
pub(crate) fn on_drain(connection: &mut ClientConnection) {
    if let Some(request) = connection.state.request_mut() {
        request.relay.close_after_response();
    }
}

/// The process stops now: says so to a client that waits for an answer, if it can be said without waiting. Gives the
/// request, if there was one, to be recorded.
pub(crate) fn on_stop(worker: &mut WorkerContext, connection: &mut ClientConnection) -> Option<Box<Request>> {
    let mut request = mem::replace(&mut connection.state, State::ReadingHead).into_request()?;
    let stopped = ProxyError::new(FailureKind::Unavailable, Side::Internal, request.relay.phase());
    request.relay.fail(&stopped, wall_clock());
    let _ = pump(&mut request.relay, &mut connection.socket, &mut NoWire, &mut worker.scratch);
    Some(request)
}
