//! Serves one client connection, request by request, in the steps that every chapter has.
//!
//! `next_head → admit → choose → connect → exchange → record`. New since chapter 3: a group's circuit breaker may
//! reject a request, `choose` may queue it until a slot is free, `connect` may reuse an idle connection, and a failed
//! exchange may be retried on another backend.

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
        error::RequestError,
        per_client_pool::PerClientPool,
        wait,
    },
    routing::RequestInfo,
};

/// Serves a client until it closes its connection or the connection may not be kept.
pub(crate) fn serve(balancer: &Balancer, stream: TcpStream, connection: u32, shutdown: &Shutdown) {
    let _active_client = balancer.totals.track_connection();
    // An error: the client has disconnected already.
    let Ok(mut client) = ClientConnection::new(stream, connection, &balancer.forwarding) else { return };
    let mut driver = BlockingDriver::new(&balancer.config.timeouts, shutdown);
    let mut pool = PerClientPool::new(&balancer.spare_upstreams);
    let after = loop {
        let ctx = match next_head(balancer, &mut client, &mut driver) {
            Ok(Some(ctx)) => ctx,
            Ok(None) => break AfterClient::Linger,
            Err(error) => {
                let (exchange, after) = client.reject_request(&mut driver, &error);
                balancer.log_and_count(client.peer_ip(), &exchange);
                break after;
            }
        };
        match serve_request(balancer, &mut client, &mut driver, &mut pool, ctx) {
            AfterClient::KeepAlive => client.keep_pipelined_bytes(),
            after => break after,
        }
    };
    driver.close(client.socket, after);
}

fn serve_request(
    balancer: &Balancer,
    client: &mut ClientConnection,
    driver: &mut BlockingDriver<'_>,
    pool: &mut PerClientPool<'_>,
    mut ctx: RequestContext,
) -> AfterClient {
    let mut attempt = None;
    let outcome = admit(balancer, client, driver, &mut ctx)
        .and_then(|()| run_attempts(balancer, client, driver, pool, &mut ctx, &mut attempt));
    if let Err(error) = outcome {
        error.answer(&mut client.relay, wall_clock());
        driver.send_local_reply(&mut client.relay, &mut client.socket);
    }
    record(balancer, client, driver, pool, ctx, attempt)
}

// ANCHOR: attempts
/// Tries one backend after another, until one has responded or the request may not be retried. `last_attempt` is the
/// attempt whose exchange ended last.
fn run_attempts(
    balancer: &Balancer,
    client: &mut ClientConnection,
    driver: &mut BlockingDriver<'_>,
    pool: &mut PerClientPool<'_>,
    ctx: &mut RequestContext,
    last_attempt: &mut Option<Attempt<Socket>>,
) -> Result<(), RequestError> {
    loop {
        let in_flight = choose(client, driver, pool, ctx)?;
        let backend = Arc::clone(in_flight.backend());
        let mut attempt = match connect(balancer, client, driver, pool, ctx, in_flight) {
            Ok(attempt) => attempt,
            // Nothing was sent, so any request may go to the next backend, a POST too.
            Err(error) if error.side == Side::Backend => {
                ctx.exclude_backend(&backend, error);
                continue;
            }
            Err(internal_error) => return Err(internal_error.into()),
        };
        let outcome = exchange(client, driver, ctx, &mut attempt);
        let attempt = last_attempt.insert(attempt);
        let Err(error) = outcome else { return Ok(()) };
        if !client.relay.may_retry(&error) {
            return Err(error.into());
        }
        if attempt.reused {
            // The backend closed the connection while it was idle, which is no failure: the request stays with it.
            ctx.needs_fresh_connection = true;
            if let Some(attempt) = last_attempt.take() {
                ctx.keep_slot(attempt.into_slot());
            }
        } else {
            wait::wait_for_retry(balancer, client, driver, ctx, error, &backend)?;
            attempt.record_failure(now());
            *last_attempt = None;
        }
    }
}
// ANCHOR_END: attempts

/// Waits for a request head and routes it while the head is still in the buffer.
fn next_head(
    balancer: &Balancer,
    client: &mut ClientConnection,
    driver: &mut BlockingDriver<'_>,
) -> Result<Option<RequestContext>, ProxyError> {
    let mut ctx = None;
    client.next_request_with(driver, &balancer.forwarding, balancer.identity, |head, sender| {
        let (decision, target) = balancer.route(&mut RequestInfo::new(head, sender), now())?;
        ctx = Some(RequestContext::new(decision));
        Ok(target)
    })?;
    Ok(ctx)
}

/// Admits the request, unless we are its final recipient, no rule matches it, or its group's breaker is open. While the
/// process drains, each request is the last of its connection.
fn admit(
    balancer: &Balancer,
    client: &mut ClientConnection,
    driver: &BlockingDriver<'_>,
    ctx: &mut RequestContext,
) -> Result<(), RequestError> {
    if driver.is_draining() {
        client.relay.close_after_response();
    }
    match client.relay.final_recipient_reply() {
        Some(reply) => Err(reply.into()),
        None => Ok(balancer.admit(ctx, now())?),
    }
}

/// Chooses a backend and takes a slot of it, at once or after waiting in the queue.
fn choose(
    client: &ClientConnection,
    driver: &BlockingDriver<'_>,
    pool: &mut PerClientPool<'_>,
    ctx: &mut RequestContext,
) -> Result<InFlightGuard, RequestError> {
    match ctx.choose(now())? {
        Dispatch::Backend(in_flight) => Ok(in_flight),
        Dispatch::Queue => {
            pool.leave_one_descriptor(); // for the wake pipe
            wait::wait_in_queue(client, driver, ctx)
        }
    }
}

/// Connects to the backend, or reuses an idle connection. A failed connect marks the backend down for a while.
fn connect(
    balancer: &Balancer,
    client: &ClientConnection,
    driver: &BlockingDriver<'_>,
    pool: &mut PerClientPool<'_>,
    ctx: &RequestContext,
    in_flight: InFlightGuard,
) -> Result<Attempt<Socket>, ProxyError> {
    let backend = Arc::clone(in_flight.backend());
    let idempotent = client.relay.request_meta().is_some_and(|meta| meta.method.is_idempotent());
    let idle_connection =
        if ctx.needs_fresh_connection { None } else { pool.take(backend.id(), &backend.keep_alive, idempotent, now()) };
    let reused = idle_connection.is_some();
    pool.leave_one_descriptor();
    let connected = if let Some(socket) = idle_connection {
        Ok(socket)
    } else {
        let started = now();
        let plan = backend.addresses().connect_plan(started, started + driver.timeouts().connect);
        connect::connect(plan, driver.shutdown())
    };
    let now = now();
    balancer.record_connect(&backend, connected.as_ref().err(), now);
    connected.map(|socket| Attempt::new(in_flight, socket, reused, client.request_started_at(), now))
}

/// Relays the request and its response.
fn exchange(
    client: &mut ClientConnection,
    driver: &mut BlockingDriver<'_>,
    ctx: &RequestContext,
    attempt: &mut Attempt<Socket>,
) -> Result<(), ProxyError> {
    let backend = attempt.backend();
    backend.totals.count_request();
    client.relay.attempt(attempt.reused);
    client.relay.clear_response_fields();
    if let Some(cookie) = ctx.set_cookie_for(backend) {
        client.relay.add_response_field("Set-Cookie", &cookie);
    }
    driver.exchange(&mut client.relay, &mut client.socket, &mut attempt.connection)
}

/// Records the exchange, and keeps the backend connection if it is reusable.
fn record(
    balancer: &Balancer,
    client: &mut ClientConnection,
    driver: &BlockingDriver<'_>,
    pool: &mut PerClientPool<'_>,
    mut ctx: RequestContext,
    attempt: Option<Attempt<Socket>>,
) -> AfterClient {
    let (mut exchange, after, connection) = client.relay.end();
    let now = now();
    exchange.times.total = now - client.request_started_at();
    if let Some(attempt) = attempt {
        attempt.finish(&mut exchange, client.request_started_at(), driver.first_byte_at(), now);
        if connection == AfterBackend::Pool {
            let (socket, in_flight) = attempt.into_parts();
            in_flight.backend().keep_alive.set_timeout(client.relay.backend_keep_alive());
            pool.put(in_flight.backend().id(), socket, now);
        }
    }
    ctx.finish(&mut exchange, now);
    balancer.log_and_count(client.peer_ip(), &exchange);
    after
}
