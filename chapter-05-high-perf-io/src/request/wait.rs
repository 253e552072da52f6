//! Where a request waits that waits for no exchange: for the rest of its head, for a slot, and before a retry.

use advanced_features::request::{context::BUDGET_TRIES, local_reply::Trouble};
use common::http::{Kind, Phase, ProxyError, Side};

use super::{
    state::{Pausing, Queued, Request, State},
    step::Step,
};
use crate::{
    downstream::{
        client_connection::Connection,
        respond_and_close::{give_up, part, reject},
    },
    upstream::per_client_pool::REST,
    worker::{context::Core, queue::waker},
};

/// A head has one deadline for all of it: a byte now and then buys no time. An idle client has another, and its
/// connections to backends a shorter one.
pub(crate) fn wait_for_head(core: &mut Core, connection: &mut Connection, idle: bool) -> Step {
    let mut by = core.balancer.config().timeouts.head_deadline(connection.since, idle, core.drains_since);
    if core.now >= by {
        let late = ProxyError::new(Kind::Timeout, Side::Client, Phase::Head);
        return if idle { part(core, connection) } else { reject(core, connection, &late) };
    }
    if idle && !connection.upstreams.is_empty() {
        if core.now >= connection.since + REST {
            connection.upstreams.clear();
        } else {
            by = by.min(connection.since + REST);
        }
    }
    Step::Wait(State::Head, by)
}

/// Enters the group's queue.
pub(crate) fn enter(core: &mut Core, connection: &Connection, mut request: Box<Request>) -> Step {
    let queue = &request.course().group.queue;
    let Ok(place) = queue.enter(waker(&core.mailbox, connection.key)) else {
        return give_up(request, &Trouble::FULL);
    };
    let by = core.now + core.balancer.config().queue_timeout;
    // On to a first try: a slot may have come free in between.
    Step::Go(State::Queued(request, Box::new(Queued { place, by })))
}

/// Takes a slot if one is free and it is this one's turn.
pub(crate) fn wait_for_slot(
    core: &mut Core,
    connection: &Connection,
    mut request: Box<Request>,
    queued: Box<Queued>,
) -> Step {
    if queued.place.is_first() {
        match request.course().choose_in_turn(core.now) {
            Ok(Some(taken)) => return Step::Connect(request, taken),
            Ok(None) => {}
            Err(trouble) => return give_up(request, &trouble),
        }
    }
    if let Some(trouble) = interrupted(connection) {
        return give_up(request, &trouble);
    }
    let by = queued.by;
    if core.now >= by {
        return give_up(request, &Trouble::FULL);
    }
    Step::Wait(State::Queued(request, queued), by)
}

/// An exchange has failed: it is tried again if that is right, or its client is told.
pub(crate) fn retry_or_fail(core: &mut Core, mut request: Box<Request>, error: ProxyError) -> Step {
    if !request.relay.may_retry(&error) {
        return give_up(request, &error.into());
    }
    if request.attempt.as_ref().is_some_and(|attempt| attempt.reused) {
        // It had ended while it rested, which says nothing about the backend: it may be chosen again.
        request.attempt = None;
        request.course().fresh = true;
        return Step::Go(State::Choosing(request));
    }
    begin_pause(core, request, error)
}

/// Waits before `error` is answered by a retry, if this request may have one; else it is the client's.
fn begin_pause(core: &mut Core, mut request: Box<Request>, error: ProxyError) -> Step {
    if !request.course().may_try_again(core.balancer.config().retries) {
        return give_up(request, &error.into());
    }
    let until = core.now + core.balancer.backoff(0);
    Step::Go(State::Pausing(request, Box::new(Pausing { error, tries: 0, until })))
}

/// Asks the budget for the retry once the back-off is over.
pub(crate) fn pause(
    core: &mut Core,
    connection: &mut Connection,
    mut request: Box<Request>,
    mut pausing: Box<Pausing>,
) -> Step {
    if let Some(trouble) = interrupted(connection) {
        return give_up(request, &trouble);
    }
    let until = pausing.until;
    if core.now < until {
        return Step::Wait(State::Pausing(request, pausing), until);
    }
    if request.course().take_retry() {
        if let Some(failed) = request.attempt.take() {
            request.course().pass_by(failed.backend(), pausing.error);
            failed.broke_off(core.now);
        }
        return Step::Go(State::Choosing(request));
    }
    pausing.tries += 1;
    if pausing.tries == BUDGET_TRIES {
        return give_up(request, &pausing.error.into());
    }
    pausing.until = core.now + core.balancer.backoff(pausing.tries);
    Step::Go(State::Pausing(request, pausing))
}

/// A request that waits for no socket hears of a client that has reset its connection.
pub(crate) fn interrupted(connection: &Connection) -> Option<Trouble> {
    let reset = || ProxyError::new(Kind::Reset, Side::Client, Phase::Connect).into();
    connection.client.has_failed().then(reset)
}
