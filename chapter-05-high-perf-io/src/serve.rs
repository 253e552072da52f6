//! One connection, as far as it goes without waiting: the steps that every chapter takes.
//!
//! `next_head → admit → choose → connect → exchange → record`. New since chapter 4: no step waits. Where a thread would
//! sleep, a step says what the connection waits for and until when, and the loop calls again.

use std::{
    io::ErrorKind,
    mem,
    time::{Duration, Instant},
};

use advanced_features::{
    course::{Attempt, Next},
    group::InFlight,
};
use common::http::{
    AfterBackend, AfterClient, Input, Kind, Patience, Phase, ProxyError, Pumped, Side, Wire as _, pump,
};

use crate::{
    connection::{Connecting, Connection, Request, State},
    core::Core,
    dial::{Dial, Dialled},
    farewell, line,
    upstreams::Upstream,
};

/// How long a request waits for the loops to close what they keep open, when it finds no descriptor for its backend.
const RELIEF: Duration = Duration::from_millis(10);

/// What the loop is to do with a connection now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Progress {
    /// Call again when one of its sockets is ready, or at this time.
    Wait(Instant),
    /// Call again once others have had their turn.
    Yield,
    /// Close it.
    Gone,
}

/// What a step came to.
pub(crate) enum Step {
    /// On to the next, at once.
    Go(State),
    /// Nothing can be done before one of the sockets is ready, or this time has come.
    Wait(State, Instant),
    /// Something could be done, but others should have their turn.
    Yield(State),
    /// The connection is over.
    Gone,
}

// ANCHOR: serve
/// Takes the connection as far as it goes.
pub(crate) fn serve(core: &mut Core, connection: &mut Connection) -> Progress {
    loop {
        let step = match mem::replace(&mut connection.state, State::Head) {
            State::Head => next_head(core, connection),
            State::Choosing(request) => choose(core, connection, request),
            State::Queued(request, queued) => line::wait_for_slot(core, connection, request, queued),
            State::Connecting(request, connecting) => dial(core, connection, request, connecting),
            State::Exchanging(request) => exchange(core, connection, request),
            State::Pausing(request, pausing) => line::pause(core, connection, request, pausing),
            State::Answering(request) => farewell::answer(core, connection, request),
            State::Lingering(by) => farewell::linger(core, connection, by),
        };
        match step {
            Step::Go(state) => connection.state = state,
            Step::Wait(state, by) => {
                connection.state = state;
                return Progress::Wait(by);
            }
            Step::Yield(state) => {
                connection.state = state;
                return Progress::Yield;
            }
            Step::Gone => return Progress::Gone,
        }
    }
}
// ANCHOR_END: serve

/// Reads until a request is there.
fn next_head(core: &mut Core, connection: &mut Connection) -> Step {
    let mut came = 0;
    loop {
        match read_head(core, connection, came) {
            Ok(Some(request)) => return admit(core, request),
            Ok(None) => {}
            Err(error) => return farewell::reject(core, connection, &error),
        }
        let idle = connection.inbox.is_idle();
        let failed = |kind| ProxyError::new(kind, Side::Client, Phase::Head);
        came = match connection.client.recv(&mut core.scratch) {
            Ok(0) if idle => return Step::Gone,
            Ok(0) => return farewell::reject(core, connection, &failed(Kind::Closed)),
            Ok(came) => came,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return line::wait_for_head(core, connection, idle),
            Err(_) if idle => return Step::Gone,
            Err(error) => return farewell::reject(core, connection, &failed(Kind::Reset).with_source(error)),
        };
        if idle {
            connection.since = core.now;
        }
    }
}

/// Takes up a request if its head is there, and finds out where it is to go.
fn read_head(core: &mut Core, connection: &mut Connection, came: usize) -> Result<Option<Box<Request>>, ProxyError> {
    let refused = |refusal| ProxyError::refused_request(refusal, Phase::Head);
    let Core { balancer, head, scratch, spare, now, .. } = core;
    let received = connection.inbox.look(&scratch[..came], head).map_err(refused)?;
    let Some(received) = received else { return Ok(None) };
    let head = head.view(received.head);
    let sender = connection.address.named_in(head, balancer.forwarding());
    let (course, target) = balancer.direct(head, sender, *now).map_err(refused)?;
    let head = target.as_deref().map_or(head, |target| head.with_target(target));
    connection.requests = connection.requests.wrapping_add(1);
    let id = balancer.identity().request_id(connection.serial, connection.requests);
    let mut request = spare.take(connection.since);
    request.relay.begin(head, balancer.forwarding(), &connection.address, id).map_err(refused)?;
    request.relay.take_in(received.rest)?;
    request.course = Some(course);
    connection.inbox.clear();
    Ok(Some(request))
}

/// Lets the request in, unless no rule takes it or its group is left alone. While the process drains, each is its
/// connection's last.
fn admit(core: &mut Core, mut request: Box<Request>) -> Step {
    if core.drains_since.is_some() {
        request.relay.close_after();
    }
    match core.balancer.admit(request.course(), core.now) {
        Ok(()) => Step::Go(State::Choosing(request)),
        Err(trouble) => farewell::give_up(request, &trouble),
    }
}

/// Chooses a backend and takes a slot of it, or enters the queue.
fn choose(core: &mut Core, connection: &mut Connection, mut request: Box<Request>) -> Step {
    match request.course().choose(core.now) {
        Ok(Next::Backend(taken)) => connect(core, connection, request, taken),
        Ok(Next::Queue) => line::enter(core, connection, request),
        Err(trouble) => farewell::give_up(request, &trouble),
    }
}

/// Takes a connection that rests, or begins to make one.
pub(crate) fn connect(
    core: &mut Core,
    connection: &mut Connection,
    mut request: Box<Request>,
    taken: InFlight,
) -> Step {
    let backend = taken.backend();
    let idempotent = request.relay.ask().is_some_and(|ask| ask.method.is_idempotent());
    let rested =
        if request.course().fresh { None } else { connection.upstreams.take(backend.id(), idempotent, core.now) };
    if let Some(upstream) = rested {
        return connected(core, request, taken, upstream, true);
    }
    let dial = Dial::new(backend.addresses(), core.now + core.balancer.config().timeouts.connect);
    Step::Go(State::Connecting(request, Box::new(Connecting { taken, dial })))
}

/// Goes on with a connect. One that fails leaves the backend out for a while; nothing was sent, so any request may go to
/// another one, a POST too.
fn dial(
    core: &mut Core,
    connection: &mut Connection,
    mut request: Box<Request>,
    mut connecting: Box<Connecting>,
) -> Step {
    let key = connection.key;
    let gone_on = connecting.dial.go_on(core.now, &core.registry, key, || connection.next_number());
    let error = match gone_on {
        Ok(Dialled::Connected(upstream)) => return connected(core, request, connecting.taken, upstream, false),
        Ok(Dialled::Wait(by)) => {
            return match line::interrupted(connection) {
                Some(trouble) => farewell::give_up(request, &trouble),
                None => Step::Wait(State::Connecting(request, connecting), by),
            };
        }
        Err(error) => error,
    };
    let backend = connecting.taken.backend();
    core.balancer.connect_ended(backend, Some(&error), core.now);
    if error.kind == Kind::Exhausted && !mem::replace(&mut request.was_short, true) {
        core.is_short = true;
        return Step::Wait(State::Choosing(request), core.now + RELIEF);
    }
    if error.side != Side::Backend {
        return farewell::give_up(request, &error.into());
    }
    request.course().pass_by(backend, error);
    Step::Go(State::Choosing(request))
}

/// A connection stands: the request may go.
fn connected(core: &mut Core, mut request: Box<Request>, taken: InFlight, upstream: Upstream, reused: bool) -> Step {
    core.balancer.connect_ended(taken.backend(), None, core.now);
    taken.backend().totals.sent();
    request.relay.attempt(reused);
    request.relay.forget_added_fields();
    if let Some(cookie) = request.course().cookie(taken.backend()) {
        request.relay.add_to_response("Set-Cookie", &cookie);
    }
    let started = request.started.unwrap_or(core.now);
    request.attempt = Some(Attempt::new(taken, upstream, reused, started, core.now));
    (request.patience, request.first_byte) = (Patience::new(), None);
    Step::Go(State::Exchanging(request))
}

// ANCHOR: exchange
/// Moves what can be moved between the two sockets.
fn exchange(core: &mut Core, connection: &mut Connection, mut request: Box<Request>) -> Step {
    let Request { relay, patience, attempt, first_byte, .. } = &mut *request;
    let attempt = attempt.as_mut().expect("an exchange has somebody to ask");
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
            broke_off(core, request, late)
        }
        Err(error) => broke_off(core, request, error),
    }
}
// ANCHOR_END: exchange

/// An exchange has failed: it is tried again if that is right, or its client is told.
fn broke_off(core: &mut Core, mut request: Box<Request>, error: ProxyError) -> Step {
    if !request.relay.may_retry(&error) {
        return farewell::give_up(request, &error.into());
    }
    if request.attempt.as_ref().is_some_and(|attempt| attempt.reused) {
        // It had ended while it rested, which says nothing about the backend: it may be chosen again.
        request.attempt = None;
        request.course().fresh = true;
        return Step::Go(State::Choosing(request));
    }
    line::begin_pause(core, request, error)
}

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
    core.balancer.record(connection.address.peer(), &exchange);
    let ahead = request.relay.take_surplus();
    core.spare.give_back(request);
    match after {
        AfterClient::KeepAlive => {
            connection.since = core.now;
            connection.inbox.keep(ahead);
            Step::Go(State::Head)
        }
        AfterClient::Linger => farewell::part(core, connection),
        AfterClient::Abort => {
            connection.client.reset_on_close();
            Step::Gone
        }
    }
}
