//! How a client gets an answer of our own, and how it is parted with.

use std::{io::ErrorKind, mem, time::Instant};

use advanced_features::request::local_reply::Trouble;
use common::{
    clock::wall_clock,
    http::{Kind, NoWire, Patience, ProxyError, Pumped, Side, Wire as _, pump},
    timeouts::{LINGER_READS, LINGER_TIMEOUT},
};

use super::client_connection::Connection;
use crate::{
    request::{
        state::{Request, State},
        step::Step,
    },
    worker::context::Core,
};

/// Answers in the backend's place.
pub(crate) fn give_up(mut request: Box<Request>, trouble: &Trouble) -> Step {
    trouble.answer(&mut request.relay, wall_clock());
    request.patience = Patience::new();
    Step::Go(State::Answering(request))
}

/// Answers what is no request.
pub(crate) fn reject(core: &mut Core, connection: &Connection, error: &ProxyError) -> Step {
    let mut request = core.spare.take(connection.since);
    request.relay.reject(error, wall_clock());
    request.patience = Patience::new();
    Step::Go(State::Answering(request))
}

/// Moves our own answer to the client. If it will not have it, the exchange is over all the same.
pub(crate) fn answer(core: &mut Core, connection: &mut Connection, mut request: Box<Request>) -> Step {
    let Request { relay, patience, .. } = &mut *request;
    let error = match pump(relay, &mut connection.client, &mut NoWire, &mut core.scratch) {
        Ok(Pumped::Done) => return Step::Ended(request),
        Ok(Pumped::Yield) => return Step::Yield(State::Answering(request)),
        Ok(Pumped::Wait(_)) => {
            let by = patience.until(relay, &core.balancer.config().timeouts, core.now);
            if core.now < by {
                return Step::Wait(State::Answering(request), by);
            }
            relay.timed_out()
        }
        Err(error) => error,
    };
    relay.fail(&error, wall_clock());
    Step::Ended(request)
}

/// FIN, and then a short while of reading and throwing away: to close with bytes unread would send a reset, which can
/// overtake the answer on its way to the client (RFC 9112 §9.6).
pub(crate) fn part(core: &mut Core, connection: &mut Connection) -> Step {
    connection.upstreams.clear();
    connection.inbox.clear();
    match connection.client.shut_write() {
        Ok(()) => Step::Go(State::Lingering(core.now + LINGER_TIMEOUT)),
        Err(_) => Step::Gone, // it is gone
    }
}

/// Goes on with that.
pub(crate) fn linger(core: &mut Core, connection: &mut Connection, by: Instant) -> Step {
    if core.now >= by {
        return Step::Gone;
    }
    for _ in 0..LINGER_READS {
        match connection.client.recv(&mut core.scratch) {
            Ok(0) => return Step::Gone,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Step::Wait(State::Lingering(by), by),
            Err(_) => return Step::Gone,
        }
    }
    Step::Yield(State::Lingering(by))
}

/// The process drains: the request under way is to be its connection's last.
pub(crate) fn heed_drain(connection: &mut Connection) {
    if let Some(request) = connection.state.request() {
        request.relay.close_after();
    }
}

/// The process stops now: says so to a client that waits for an answer, if it can be said without waiting. Gives the
/// request, if there was one, to be recorded.
pub(crate) fn stop(core: &mut Core, connection: &mut Connection) -> Option<Box<Request>> {
    let mut request = mem::replace(&mut connection.state, State::Head).into_request()?;
    let stopped = ProxyError::new(Kind::Unavailable, Side::Internal, request.relay.phase());
    request.relay.fail(&stopped, wall_clock());
    let _ = pump(&mut request.relay, &mut connection.client, &mut NoWire, &mut core.scratch);
    Some(request)
}
