//! A request whose connect is under way, until its exchange can start.

use std::{mem, time::Duration};

use advanced_features::{balance::group::InFlight, request::attempt::Attempt};
use common::http::{Kind, Patience, Side};

use super::{
    state::{Connecting, Request, State},
    step::Step,
    wait::interrupted,
};
use crate::{
    downstream::{client_connection::Connection, respond_and_close},
    upstream::{connect::Dialled, per_client_pool::Upstream},
    worker::context::Core,
};

/// How long a request waits for the loops to close what they keep open, when it finds no descriptor for its backend.
const RELIEF: Duration = Duration::from_millis(10);

/// Goes on with a connect. One that fails leaves the backend out for a while; nothing was sent, so any request may go to
/// another one, a POST too.
pub(crate) fn advance(
    core: &mut Core,
    connection: &mut Connection,
    mut request: Box<Request>,
    mut connecting: Box<Connecting>,
) -> Step {
    let key = connection.key;
    let gone_on = connecting.dial.go_on(core.now, &core.registry, key, || connection.next_number());
    let error = match gone_on {
        Ok(Dialled::Connected(upstream)) => return start_exchange(core, request, connecting.taken, upstream, false),
        Ok(Dialled::Wait(by)) => {
            return match interrupted(connection) {
                Some(trouble) => respond_and_close::give_up(request, &trouble),
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
        return respond_and_close::give_up(request, &error.into());
    }
    request.course().pass_by(backend, error);
    Step::Go(State::Choosing(request))
}

/// A connection stands: the request may go.
pub(crate) fn start_exchange(
    core: &mut Core,
    mut request: Box<Request>,
    taken: InFlight,
    upstream: Upstream,
    reused: bool,
) -> Step {
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
