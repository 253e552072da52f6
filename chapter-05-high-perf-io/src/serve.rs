//! One connection, as far as it goes without waiting: the steps that every chapter takes.
//!
//! `next_head → admit → choose → connect → exchange → record`. New since chapter 4: no step waits. Where a thread would
//! sleep, a step says what the connection waits for and until when, and the loop calls again.

use std::{io::ErrorKind, mem};

use advanced_features::{balance::group::InFlight, request::context::Next};
use common::http::{AfterBackend, AfterClient, Input, Kind, Phase, ProxyError, Pumped, Side, Wire as _, pump};

use crate::{
    downstream::{client_connection::Connection, respond_and_close},
    request::{
        begin, connecting,
        state::{Connecting, Request, State},
        step::{Progress, Step},
        wait,
    },
    upstream::connect::Dial,
    worker::context::Core,
};

// ANCHOR: serve
/// Takes the connection as far as it goes.
pub(crate) fn serve(core: &mut Core, connection: &mut Connection) -> Progress {
    loop {
        let mut step = match mem::replace(&mut connection.state, State::Head) {
            State::Head => next_head(core, connection),
            State::Choosing(request) => choose(core, connection, request),
            State::Queued(request, queued) => wait::wait_for_slot(core, connection, request, queued),
            State::Connecting(request, connecting) => connecting::advance(core, connection, request, connecting),
            State::Exchanging(request) => exchange(core, connection, request),
            State::Pausing(request, pausing) => wait::pause(core, connection, request, pausing),
            State::Answering(request) => respond_and_close::answer(core, connection, request),
            State::Lingering(by) => respond_and_close::linger(core, connection, by),
        };
        loop {
            step = match step {
                Step::Connect(request, taken) => connect(core, connection, request, taken),
                Step::Ended(request) => record(core, connection, request),
                Step::Go(state) => {
                    connection.state = state;
                    break;
                }
                Step::Wait(state, by) => {
                    connection.state = state;
                    return Progress::Wait(by);
                }
                Step::Yield(state) => {
                    connection.state = state;
                    return Progress::Yield;
                }
                Step::Gone => return Progress::Gone,
            };
        }
    }
}
// ANCHOR_END: serve

/// Reads until a request is there.
fn next_head(core: &mut Core, connection: &mut Connection) -> Step {
    let mut came = 0;
    loop {
        match begin::read_head(core, connection, came) {
            Ok(Some(request)) => return admit(core, request),
            Ok(None) => {}
            Err(error) => return respond_and_close::reject(core, connection, &error),
        }
        let idle = connection.inbox.is_idle();
        let failed = |kind| ProxyError::new(kind, Side::Client, Phase::Head);
        came = match connection.client.recv(&mut core.scratch) {
            Ok(0) if idle => return Step::Gone,
            Ok(0) => return respond_and_close::reject(core, connection, &failed(Kind::Closed)),
            Ok(came) => came,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return wait::wait_for_head(core, connection, idle),
            Err(_) if idle => return Step::Gone,
            Err(error) => return respond_and_close::reject(core, connection, &failed(Kind::Reset).with_source(error)),
        };
        if idle {
            connection.since = core.now;
        }
    }
}

/// Lets the request in, unless no rule takes it or its group is left alone. While the process drains, each is its
/// connection's last.
fn admit(core: &mut Core, mut request: Box<Request>) -> Step {
    if core.drains_since.is_some() {
        request.relay.close_after();
    }
    match core.balancer.admit(request.course(), core.now) {
        Ok(()) => Step::Go(State::Choosing(request)),
        Err(trouble) => respond_and_close::give_up(request, &trouble),
    }
}

/// Chooses a backend and takes a slot of it, or enters the queue.
fn choose(core: &mut Core, connection: &mut Connection, mut request: Box<Request>) -> Step {
    match request.course().choose(core.now) {
        Ok(Next::Backend(taken)) => connect(core, connection, request, taken),
        Ok(Next::Queue) => wait::enter(core, connection, request),
        Err(trouble) => respond_and_close::give_up(request, &trouble),
    }
}

/// Takes a connection that rests, or begins to make one.
fn connect(core: &mut Core, connection: &mut Connection, mut request: Box<Request>, taken: InFlight) -> Step {
    let backend = taken.backend();
    let idempotent = request.relay.ask().is_some_and(|ask| ask.method.is_idempotent());
    let rested =
        if request.course().fresh { None } else { connection.upstreams.take(backend.id(), idempotent, core.now) };
    if let Some(upstream) = rested {
        return connecting::start_exchange(core, request, taken, upstream, true);
    }
    let dial = Dial::new(backend.addresses(), core.now + core.balancer.config().timeouts.connect);
    Step::Go(State::Connecting(request, Box::new(Connecting { taken, dial })))
}

// ANCHOR: exchange
/// Moves what can be moved between the two sockets.
fn exchange(core: &mut Core, connection: &mut Connection, mut request: Box<Request>) -> Step {
    let Request { relay, patience, attempt, first_byte, .. } = &mut *request;
    let attempt = attempt.as_mut().expect("an exchange always has an attempt");
    let mut pumped = pump(relay, &mut connection.client, &mut attempt.socket.socket, &mut core.scratch);
    if first_byte.is_none() && matches!(relay.phase(), Phase::Response | Phase::Tunnel) {
        *first_byte = Some(core.now);
    }
    if let Ok(Pumped::Wait(wants)) = pumped
        && wants.client.is_none()
        && connection.client.has_failed()
    {
        // Nothing would be read from it, so the machine is told.
        pumped = relay.from_client(Input::Reset).map(|_| Pumped::Wait(wants));
    }
    match pumped {
        Ok(Pumped::Done) => record(core, connection, request),
        Ok(Pumped::Yield) => Step::Yield(State::Exchanging(request)),
        Ok(Pumped::Wait(_)) => {
            let by = patience.until(relay, &core.balancer.config().timeouts, core.now);
            if core.now < by {
                return Step::Wait(State::Exchanging(request), by);
            }
            let late = relay.timed_out();
            wait::retry_or_fail(core, request, late)
        }
        Err(error) => wait::retry_or_fail(core, request, error),
    }
}
// ANCHOR_END: exchange

/// Closes the books on the exchange, and keeps the connections that may be used again.
pub(crate) fn record(core: &mut Core, connection: &mut Connection, mut request: Box<Request>) -> Step {
    let (mut exchange, after, upstream) = request.relay.end();
    let started = request.started.unwrap_or(core.now);
    exchange.times.total = core.now.saturating_duration_since(started);
    if let Some(attempt) = request.attempt.take() {
        attempt.close(&mut exchange, started, request.first_byte, core.now);
        if upstream == AfterBackend::Pool {
            if core.is_thrifty() {
                connection.upstreams.clear();
            }
            connection.upstreams.keep(attempt.backend().id(), attempt.into_socket(), core.now);
        }
    }
    if let Some(course) = &mut request.course {
        course.close(&mut exchange, core.now);
    }
    core.balancer.log_and_count(connection.address.peer(), &exchange);
    let ahead = request.relay.take_surplus();
    core.spare.give_back(request);
    match after {
        AfterClient::KeepAlive => {
            connection.since = core.now;
            connection.inbox.keep(ahead);
            Step::Go(State::Head)
        }
        AfterClient::Linger => respond_and_close::part(core, connection),
        AfterClient::Abort => {
            connection.client.reset_on_close();
            Step::Gone
        }
    }
}
