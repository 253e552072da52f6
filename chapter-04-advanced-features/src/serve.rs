//! One client, from its first request to its last: the steps that every chapter takes.
//!
//! `next_head → admit → choose → connect → exchange → record`. New since chapter 3: a group may be closed to requests,
//! the choice may have to wait for a slot, a connection may be one that was used before, and an exchange that failed
//! may be tried again elsewhere.

use std::{net::TcpStream, sync::Arc};

use common::{
    clock::{now, wall_clock},
    http::{AfterBackend, AfterClient, ProxyError, Side},
    shutdown::Shutdown,
};
use simple_proxy::{client_connection::Client, connect, driver::Waiter, socket::Socket};

use crate::{
    balance::group::InFlight,
    balancer::Balancer,
    request::{
        attempt::Attempt,
        context::{Course, Next},
        local_reply::Trouble,
        per_client_pool::Upstreams,
        wait,
    },
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
            Err(error) => {
                let (exchange, after) = client.reject(&mut waiter, &error);
                balancer.log_and_count(client.peer(), &exchange);
                break after;
            }
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
        trouble.answer(&mut client.relay, wall_clock());
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
    last: &mut Option<Attempt<Socket>>,
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
            wait::wait_for_retry(balancer, client, waiter, course, error, &backend)?;
            attempt.broke_off(now());
        }
        *last = None;
    }
}
// ANCHOR_END: attempts

/// Waits for a request, and finds out where it is to go while its head is there.
fn next_head(balancer: &Balancer, client: &mut Client, waiter: &mut Waiter<'_>) -> Result<Option<Course>, ProxyError> {
    let mut course = None;
    client.next_request_with(waiter, &balancer.forwarding, balancer.identity, |head, sender| {
        let (directed, target) = balancer.direct(head, sender, now())?;
        course = Some(directed);
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
    balancer.admit(course, now())
}

/// Chooses a backend and takes a slot of it, at once or in its turn.
fn choose(balancer: &Balancer, client: &Client, waiter: &Waiter<'_>, course: &mut Course) -> Result<InFlight, Trouble> {
    match course.choose(now())? {
        Next::Backend(taken) => Ok(taken),
        Next::Queue => wait::wait_for_slot(balancer, client, waiter, course),
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
) -> Result<Attempt<Socket>, ProxyError> {
    let backend = Arc::clone(taken.backend());
    let idempotent = client.relay.ask().is_some_and(|ask| ask.method.is_idempotent());
    let rested = if course.fresh { None } else { upstreams.take(backend.id(), idempotent, now()) };
    let reused = rested.is_some();
    let connected = match rested {
        Some(socket) => Ok(socket),
        None => connect::connect(backend.addresses(), waiter.timeouts().connect, waiter.shutdown()),
    };
    let at = now();
    balancer.connect_ended(&backend, connected.as_ref().err(), at);
    connected.map(|socket| Attempt::new(taken, socket, reused, client.started(), at))
}

/// Relays the request and its answer.
fn exchange(
    client: &mut Client,
    waiter: &mut Waiter<'_>,
    course: &Course,
    attempt: &mut Attempt<Socket>,
) -> Result<(), ProxyError> {
    let backend = attempt.backend();
    backend.totals.sent();
    client.relay.attempt(attempt.reused);
    client.relay.forget_added_fields();
    if let Some(cookie) = course.cookie(backend) {
        client.relay.add_to_response("Set-Cookie", &cookie);
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
    attempt: Option<Attempt<Socket>>,
) -> AfterClient {
    let (mut exchange, after, connection) = client.relay.end();
    let at = now();
    exchange.times.total = at - client.started();
    if let Some(attempt) = attempt {
        attempt.close(&mut exchange, client.started(), waiter.first_byte(), at);
        if connection == AfterBackend::Pool {
            upstreams.keep(attempt.backend().id(), attempt.into_socket(), at);
        }
    }
    course.close(&mut exchange, at);
    balancer.log_and_count(client.peer(), &exchange);
    after
}
