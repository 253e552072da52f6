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
use simple_proxy::{client_connection::ClientConnection, connect, driver::BlockingDriver, socket::Socket};

use crate::{
    balance::group::InFlightGuard,
    balancer::Balancer,
    request::{
        attempt::Attempt,
        context::{Dispatch, RequestContext},
        local_reply::LocalReply,
        per_client_pool::PerClientPool,
        wait,
    },
};

/// Serves a client until it leaves, or may not stay.
pub(crate) fn serve(balancer: &Balancer, stream: TcpStream, connection: u32, shutdown: &Shutdown) {
    let _counted = balancer.totals.track_connection();
    let Ok(mut client) = ClientConnection::new(stream, connection, &balancer.forwarding) else { return }; // it left already
    let mut waiter = BlockingDriver::new(&balancer.config.timeouts, shutdown);
    let mut upstreams = PerClientPool::default();
    let after = loop {
        let course = match next_head(balancer, &mut client, &mut waiter) {
            Ok(Some(course)) => course,
            Ok(None) => break AfterClient::Linger,
            Err(error) => {
                let (exchange, after) = client.reject_request(&mut waiter, &error);
                balancer.log_and_count(client.peer_ip(), &exchange);
                break after;
            }
        };
        match serve_request(balancer, &mut client, &mut waiter, &mut upstreams, course) {
            AfterClient::KeepAlive => client.keep_pipelined_bytes(),
            after => break after,
        }
    };
    waiter.close(client.socket, after);
}

fn serve_request(
    balancer: &Balancer,
    client: &mut ClientConnection,
    waiter: &mut BlockingDriver<'_>,
    upstreams: &mut PerClientPool,
    mut course: RequestContext,
) -> AfterClient {
    let mut attempt = None;
    let outcome = admit(balancer, client, waiter, &mut course)
        .and_then(|()| run_attempts(balancer, client, waiter, upstreams, &mut course, &mut attempt));
    if let Err(trouble) = outcome {
        trouble.write_to(&mut client.relay, wall_clock());
        waiter.send_local_reply(&mut client.relay, &mut client.socket);
    }
    record(balancer, client, waiter, upstreams, course, attempt)
}

// ANCHOR: attempts
/// Asks one backend after another, until one has answered or nobody else may be asked. `last` is the one that was
/// asked to the end.
fn run_attempts(
    balancer: &Balancer,
    client: &mut ClientConnection,
    waiter: &mut BlockingDriver<'_>,
    upstreams: &mut PerClientPool,
    course: &mut RequestContext,
    last: &mut Option<Attempt<Socket>>,
) -> Result<(), LocalReply> {
    loop {
        let taken = choose(balancer, client, waiter, course)?;
        let backend = Arc::clone(taken.backend());
        let mut attempt = match connect(balancer, client, waiter, upstreams, course, taken) {
            Ok(attempt) => attempt,
            // Nothing was sent, so any request may go to the next one, a POST too.
            Err(error) if error.side == Side::Backend => {
                course.exclude_backend(&backend, error);
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
            course.needs_fresh_connection = true;
        } else {
            wait::wait_for_retry(balancer, client, waiter, course, error, &backend)?;
            attempt.record_failure(now());
        }
        *last = None;
    }
}
// ANCHOR_END: attempts

/// Waits for a request, and finds out where it is to go while its head is there.
fn next_head(
    balancer: &Balancer,
    client: &mut ClientConnection,
    waiter: &mut BlockingDriver<'_>,
) -> Result<Option<RequestContext>, ProxyError> {
    let mut course = None;
    client.next_request_with(waiter, &balancer.forwarding, balancer.identity, |head, sender| {
        let (directed, target) = balancer.route(head, sender, now())?;
        course = Some(directed);
        Ok(target)
    })?;
    Ok(course)
}

/// Lets the request in, unless no rule takes it or its group is left alone. While the process drains, each is its
/// connection's last.
fn admit(
    balancer: &Balancer,
    client: &mut ClientConnection,
    waiter: &BlockingDriver<'_>,
    course: &mut RequestContext,
) -> Result<(), LocalReply> {
    if waiter.is_draining() {
        client.relay.close_after_response();
    }
    balancer.admit(course, now())
}

/// Chooses a backend and takes a slot of it, at once or in its turn.
fn choose(
    balancer: &Balancer,
    client: &ClientConnection,
    waiter: &BlockingDriver<'_>,
    course: &mut RequestContext,
) -> Result<InFlightGuard, LocalReply> {
    match course.choose(now())? {
        Dispatch::Backend(taken) => Ok(taken),
        Dispatch::Queue => wait::wait_in_queue(balancer, client, waiter, course),
    }
}

/// Connects to it, or takes a connection that rests. One that fails leaves the backend out for a while.
fn connect(
    balancer: &Balancer,
    client: &ClientConnection,
    waiter: &BlockingDriver<'_>,
    upstreams: &mut PerClientPool,
    course: &RequestContext,
    taken: InFlightGuard,
) -> Result<Attempt<Socket>, ProxyError> {
    let backend = Arc::clone(taken.backend());
    let idempotent = client.relay.request_meta().is_some_and(|ask| ask.method.is_idempotent());
    let rested = if course.needs_fresh_connection { None } else { upstreams.take(backend.id(), idempotent, now()) };
    let reused = rested.is_some();
    let connected = match rested {
        Some(socket) => Ok(socket),
        None => connect::connect(backend.addresses(), waiter.timeouts().connect, waiter.shutdown()),
    };
    let at = now();
    balancer.record_connect(&backend, connected.as_ref().err(), at);
    connected.map(|socket| Attempt::new(taken, socket, reused, client.request_started_at(), at))
}

/// Relays the request and its answer.
fn exchange(
    client: &mut ClientConnection,
    waiter: &mut BlockingDriver<'_>,
    course: &RequestContext,
    attempt: &mut Attempt<Socket>,
) -> Result<(), ProxyError> {
    let backend = attempt.backend();
    backend.totals.count_request();
    client.relay.attempt(attempt.reused);
    client.relay.clear_response_fields();
    if let Some(cookie) = course.set_cookie_for(backend) {
        client.relay.add_response_field("Set-Cookie", &cookie);
    }
    waiter.exchange(&mut client.relay, &mut client.socket, &mut attempt.connection)
}

/// Closes the books on the exchange, and keeps the connection if it may be used again.
fn record(
    balancer: &Balancer,
    client: &mut ClientConnection,
    waiter: &BlockingDriver<'_>,
    upstreams: &mut PerClientPool,
    mut course: RequestContext,
    attempt: Option<Attempt<Socket>>,
) -> AfterClient {
    let (mut exchange, after, connection) = client.relay.end();
    let at = now();
    exchange.times.total = at - client.request_started_at();
    if let Some(attempt) = attempt {
        attempt.finish(&mut exchange, client.request_started_at(), waiter.first_byte_at(), at);
        if connection == AfterBackend::Pool {
            upstreams.put(attempt.backend().id(), attempt.into_connection(), at);
        }
    }
    course.finish(&mut exchange, at);
    balancer.log_and_count(client.peer_ip(), &exchange);
    after
}
