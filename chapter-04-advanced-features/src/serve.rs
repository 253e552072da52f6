//! One client, from its first request to its last: the steps that every chapter takes.
//!
//! `next_head → admit → choose → connect → exchange → record`. New since chapter 3: a group may be closed to requests,
//! the choice may have to wait for a slot, a connection may be one that was used before, and an exchange that failed
//! may be tried again elsewhere.

use std::{net::TcpStream, sync::Arc};

use common::{
    http::{AfterBackend, AfterClient, Exchange, ProxyError, Side},
    shutdown::Shutdown,
};
use simple_proxy::{
    client::Client,
    connect,
    log::log_request,
    waiter::{Waiter, now, wall_clock},
};

use crate::{
    Balancer,
    attempt::{Attempt, Course, Trouble},
    backend::{AttemptEnd, is_failure},
    group::{Choice, InFlight},
    health::breaker::{Admission, Change},
    line,
    upstreams::Upstreams,
};

/// Serves a client until it leaves, or may not stay.
pub(crate) fn serve(balancer: &Balancer, stream: TcpStream, connection: u32, shutdown: &Shutdown) {
    let _counted = balancer.totals.client();
    let Ok(mut client) = Client::new(stream, connection, &balancer.forwarding) else { return }; // it left already
    let mut waiter = Waiter::new(&balancer.config.timeouts, shutdown);
    let mut upstreams = Upstreams::default();
    let after = loop {
        let course = match next_head(balancer, &mut client, &mut waiter) {
            Ok(Some(course)) => course,
            Ok(None) => break AfterClient::Linger,
            Err(error) => break reject(balancer, &mut client, &mut waiter, &error),
        };
        match one_request(balancer, &mut client, &mut waiter, &mut upstreams, course) {
            AfterClient::KeepAlive => client.keep_alive(),
            after => break after,
        }
    };
    waiter.part(client.socket, after);
}

fn one_request(
    balancer: &Balancer,
    client: &mut Client,
    waiter: &mut Waiter<'_>,
    upstreams: &mut Upstreams,
    mut course: Course,
) -> AfterClient {
    let mut attempt = None;
    let outcome = admit(balancer, client, waiter, &mut course)
        .and_then(|()| attempts(balancer, client, waiter, upstreams, &mut course, &mut attempt));
    if let Err(trouble) = outcome {
        answer(client, &trouble);
        waiter.deliver(&mut client.relay, &mut client.socket);
    }
    record(balancer, client, waiter, upstreams, course, attempt)
}

// ANCHOR: attempts
/// Asks one backend after another, until one has answered or nobody else may be asked. `last` is the one that was
/// asked to the end.
fn attempts(
    balancer: &Balancer,
    client: &mut Client,
    waiter: &mut Waiter<'_>,
    upstreams: &mut Upstreams,
    course: &mut Course,
    last: &mut Option<Attempt>,
) -> Result<(), Trouble> {
    loop {
        let taken = choose(balancer, client, waiter, course)?;
        let backend = Arc::clone(taken.backend());
        let mut attempt = match connect(balancer, client, waiter, upstreams, course, taken) {
            Ok(attempt) => attempt,
            // Nothing was sent, so any request may go to the next one, a POST too.
            Err(error) if error.side == Side::Backend => {
                course.pass_by(&backend, error);
                continue;
            }
            Err(ours) => return Err(ours.into()),
        };
        let outcome = exchange(client, waiter, course, &mut attempt);
        let attempt = last.insert(attempt);
        let Err(error) = outcome else { return Ok(()) };
        if !client.relay.may_retry(&error) {
            return Err(error.into());
        }
        if attempt.reused {
            // It had ended while it rested, which says nothing about the backend: it may be chosen again.
            course.fresh = true;
        } else {
            line::wait_for_retry(balancer, client, waiter, course, error, &backend)?;
            attempt.judge(AttemptEnd::BrokeOff, now());
        }
        *last = None;
    }
}
// ANCHOR_END: attempts

/// Waits for a request, and finds out where it is to go while its head is there.
fn next_head(balancer: &Balancer, client: &mut Client, waiter: &mut Waiter<'_>) -> Result<Option<Course>, ProxyError> {
    let mut course = None;
    client.next_request_with(waiter, &balancer.forwarding, balancer.identity, |head, sender| {
        let ((group, wish), target) = balancer.cluster.direct(head, sender, now())?;
        course = Some(Course::new(group, wish));
        Ok(target)
    })?;
    Ok(course)
}

/// Lets the request in, unless no rule takes it or its group is left alone. While the process drains, each is its
/// connection's last.
fn admit(balancer: &Balancer, client: &mut Client, waiter: &Waiter<'_>, course: &mut Course) -> Result<(), Trouble> {
    if waiter.draining() {
        client.relay.close_after();
    }
    if balancer.cluster.is_nowhere(&course.group) {
        return Err(Trouble::NoRoute);
    }
    match course.group.breaker.admit(now()) {
        Admission::Closed => {}
        Admission::Probe(probe) => course.probe = Some(probe),
        Admission::Refused { retry_after } => return Err(Trouble::NotNow { retry_after }),
    }
    Ok(())
}

/// Chooses a backend and takes a slot of it, at once or in its turn.
fn choose(balancer: &Balancer, client: &Client, waiter: &Waiter<'_>, course: &mut Course) -> Result<InFlight, Trouble> {
    let is_first_try = course.tried.is_empty();
    // Who waits was here before; who has been served by a backend that failed has waited already.
    if is_first_try && !course.group.queue.is_empty() {
        return line::wait_for_slot(balancer, client, waiter, course);
    }
    match course.group.choose(now(), course.wish, &course.tried) {
        Choice::Backend(taken) => Ok(taken),
        Choice::Full if is_first_try => line::wait_for_slot(balancer, client, waiter, course),
        Choice::Full | Choice::Nobody => Err(course.nobody()),
    }
}

/// Connects to it, or takes a connection that rests. One that fails leaves the backend out for a while.
fn connect(
    balancer: &Balancer,
    client: &Client,
    waiter: &Waiter<'_>,
    upstreams: &mut Upstreams,
    course: &Course,
    taken: InFlight,
) -> Result<Attempt, ProxyError> {
    let backend = Arc::clone(taken.backend());
    let idempotent = client.relay.ask().is_some_and(|ask| ask.method.is_idempotent());
    let rested = if course.fresh { None } else { upstreams.take(backend.id(), idempotent, now()) };
    let reused = rested.is_some();
    let connected = match rested {
        Some(socket) => Ok(socket),
        None => connect::connect(backend.addresses(), waiter.timeouts().connect, waiter.shutdown()),
    };
    let at = now();
    match &connected {
        Ok(_) if backend.connected(at) => tracing::info!("{} is up: a request has connected", backend.name()),
        Err(error) if error.side == Side::Backend => {
            balancer.ask_about(&backend);
            if backend.connect_failed(at) {
                let time = balancer.config.backends.down_time;
                tracing::warn!("{} is left out for {time:?} while there are others: {error}", backend.name());
            }
        }
        _ => {}
    }
    connected.map(|socket| Attempt::new(taken, socket, reused, at - client.started(), at))
}

/// Relays the request and its answer.
fn exchange(
    client: &mut Client,
    waiter: &mut Waiter<'_>,
    course: &Course,
    attempt: &mut Attempt,
) -> Result<(), ProxyError> {
    let backend = attempt.backend();
    backend.totals.sent();
    client.relay.attempt(attempt.reused);
    client.relay.forget_added_fields();
    if let (Some(sticky), Some(value)) = (course.group.sticky(), backend.sticky())
        && course.wish.sticky != Some(backend.id())
    {
        client.relay.add_to_response("Set-Cookie", &sticky.set_cookie(value));
    }
    waiter.exchange(&mut client.relay, &mut client.socket, &mut attempt.socket)
}

/// Closes the books on the exchange, and keeps the connection if it may be used again.
fn record(
    balancer: &Balancer,
    client: &mut Client,
    waiter: &Waiter<'_>,
    upstreams: &mut Upstreams,
    mut course: Course,
    attempt: Option<Attempt>,
) -> AfterClient {
    let (mut exchange, after, connection) = client.relay.end();
    let at = now();
    exchange.times.total = at - client.started();
    if let Some(attempt) = attempt {
        let backend = attempt.backend();
        let latency = attempt.latency(waiter.first_byte());
        exchange.backend = Some(backend.id());
        exchange.times.connected = Some(attempt.connected);
        exchange.times.first_byte = waiter.first_byte().map(|first| first - client.started());
        attempt.judge(end_of(&exchange, latency), at);
        if connection == AfterBackend::Pool {
            upstreams.keep(backend.id(), attempt.into_socket(), at);
        }
    }
    exchange.retries = u8::try_from(course.tried.len()).unwrap_or(u8::MAX);
    match course.group.breaker.record(course.probe.take(), is_bad(&exchange), at) {
        Some(Change::Opened) => tracing::error!("group {} is left alone: it fails", course.group.name()),
        Some(Change::Closed) => tracing::warn!("group {} is asked again: it answers", course.group.name()),
        None => {}
    }
    book(balancer, client, &exchange);
    after
}

/// How the last attempt ended, as far as it tells of the backend.
fn end_of(exchange: &Exchange, latency: Option<std::time::Duration>) -> AttemptEnd {
    match (exchange.failure.map(|failure| failure.side), latency) {
        (Some(Side::Backend), _) => AttemptEnd::BrokeOff,
        (Some(Side::Client | Side::Internal), _) | (None, None) => AttemptEnd::Unjudged,
        (None, Some(latency)) => AttemptEnd::Answered { status: exchange.status, latency },
    }
}

/// Whether the group has failed this request.
fn is_bad(exchange: &Exchange) -> bool {
    match exchange.failure {
        Some(failure) => failure.side == Side::Backend,
        None => !exchange.own_answer && is_failure(exchange.status),
    }
}

/// Answers in the backend's place.
fn answer(client: &mut Client, trouble: &Trouble) {
    match trouble {
        Trouble::NoRoute => client.relay.answer(404, wall_clock(), &[]),
        Trouble::NotNow { retry_after } => {
            let seconds = retry_after.as_secs_f64().ceil().max(1.0).to_string();
            client.relay.answer(503, wall_clock(), &[("Retry-After", &seconds)]);
        }
        Trouble::Failed(error) => client.relay.fail(error, wall_clock()),
    }
}

/// Answers what is no request, and parts with who sent it.
fn reject(balancer: &Balancer, client: &mut Client, waiter: &mut Waiter<'_>, error: &ProxyError) -> AfterClient {
    client.relay.reject(error, wall_clock());
    waiter.deliver(&mut client.relay, &mut client.socket);
    let (mut exchange, after, _) = client.relay.end();
    exchange.times.total = client.started().elapsed();
    book(balancer, client, &exchange);
    after
}

fn book(balancer: &Balancer, client: &Client, exchange: &Exchange) {
    balancer.totals.record(exchange);
    if balancer.config.log_requests {
        log_request(client.peer(), exchange);
    }
}
