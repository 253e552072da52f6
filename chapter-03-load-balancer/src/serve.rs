//! Serves one client connection, with the same steps as every chapter.
//!
//! `next_head → admit → choose → connect → exchange → record`. New since chapter 2: a backend is chosen for each
//! request, and a failed connect chooses another one.

use std::{net::TcpStream, sync::Arc, time::Duration};

use common::{
    clock::{now, wall_clock},
    http::{AfterClient, FailureKind, LocalReply, Phase, ProxyError, Side},
    shutdown::Shutdown,
};
use simple_proxy::{client_connection::ClientConnection, connect, driver::BlockingDriver, socket::Socket};

use crate::{backend::Backend, balancer::Balancer, dns_refresher::DnsTarget as _};

/// Serves a client until it disconnects, or its connection must be closed.
pub(crate) fn serve_connection(balancer: &Balancer, stream: TcpStream, connection_id: u32, shutdown: &Shutdown) {
    let _gauge = balancer.stats.track_connection();
    // An error: the client has disconnected already.
    let Ok(mut client) = ClientConnection::new(stream, connection_id, &balancer.forwarding) else { return };
    let mut driver = BlockingDriver::new(&balancer.config.timeouts, shutdown);
    let after = loop {
        match next_head(balancer, &mut client, &mut driver) {
            Ok(true) => {}
            Ok(false) => break AfterClient::Linger,
            Err(error) => {
                let (exchange, after) = client.reject_request(&mut driver, &error);
                balancer.log_and_count(client.peer_ip(), &exchange);
                break after;
            }
        }
        match serve_request(balancer, &mut client, &mut driver) {
            AfterClient::KeepAlive => client.keep_pipelined_bytes(),
            after => break after,
        }
    };
    driver.close(client.socket, after);
}

fn serve_request(balancer: &Balancer, client: &mut ClientConnection, driver: &mut BlockingDriver<'_>) -> AfterClient {
    if let Err(reply) = admit(client, driver) {
        client.relay.send_local_reply(&reply, wall_clock());
        driver.send_local_reply(&mut client.relay, &mut client.socket);
        return record(balancer, client, driver, None, &[]);
    }
    let mut connected_after = None;
    let mut tried = Vec::new();
    let outcome = connect_with_failover(balancer, driver, &mut tried).and_then(|(backend, mut socket)| {
        tried.push(Arc::clone(&backend));
        let _gauge = backend.stats.track_request();
        connected_after = Some(client.request_started_at().elapsed());
        exchange(client, driver, &mut socket)
    });
    if let Err(error) = outcome {
        client.relay.fail(&error, wall_clock());
        driver.send_local_reply(&mut client.relay, &mut client.socket);
    }
    record(balancer, client, driver, connected_after, &tried)
}

/// Chooses a backend and connects to it, until a connect succeeds or all backends have been tried. Nothing of the
/// request has been sent yet, so any request may fail over to the next backend, even a POST.
// ANCHOR: connect_with_failover
fn connect_with_failover(
    balancer: &Balancer,
    driver: &BlockingDriver<'_>,
    tried: &mut Vec<Arc<Backend>>,
) -> Result<(Arc<Backend>, Socket), ProxyError> {
    let mut last_error = ProxyError::new(FailureKind::Unavailable, Side::Internal, Phase::Connect);
    while let Some(backend) = choose(balancer, tried) {
        match connect(balancer, driver, &backend) {
            Ok(socket) => return Ok((backend, socket)),
            Err(error) if error.side == Side::Backend => last_error = error,
            Err(internal_error) => return Err(internal_error),
        }
        tried.push(backend);
    }
    Err(last_error)
}
// ANCHOR_END: connect_with_failover

/// Waits for the next request.
fn next_head(
    balancer: &Balancer,
    client: &mut ClientConnection,
    driver: &mut BlockingDriver<'_>,
) -> Result<bool, ProxyError> {
    client.next_request(driver, &balancer.forwarding, balancer.identity)
}

/// Admits the request, unless we are its final recipient. While the process drains, each is the connection's last.
fn admit(client: &mut ClientConnection, driver: &BlockingDriver<'_>) -> Result<(), LocalReply> {
    if driver.is_draining() {
        client.relay.close_after_response();
    }
    client.relay.final_recipient_reply().map_or(Ok(()), Err)
}

/// Chooses the next backend.
fn choose(balancer: &Balancer, tried: &[Arc<Backend>]) -> Option<Arc<Backend>> {
    balancer.cluster.choose(now(), tried).cloned()
}

/// Connects to the backend: each request gets a new connection. A failed connect marks the backend down for a while.
fn connect(balancer: &Balancer, driver: &BlockingDriver<'_>, backend: &Backend) -> Result<Socket, ProxyError> {
    let started = now();
    let plan = backend.address_set().connect_plan(started, started + driver.timeouts().connect);
    let connected = connect::connect(plan, driver.shutdown());
    match &connected {
        Ok(_) if backend.mark_up() => tracing::info!("backend {} is up again", backend.endpoint()),
        Err(error) if error.side == Side::Backend => {
            backend.stats.count_failure();
            balancer.dns_refresher.refresh_soon(backend);
            if backend.mark_down(now(), balancer.config.down_time) {
                let down_time = balancer.config.down_time;
                tracing::warn!(
                    "backend {} marked down for {down_time:?} after a failed connect: {error}",
                    backend.endpoint()
                );
            }
        }
        _ => {}
    }
    connected
}

/// Relays the request and its response.
fn exchange(
    client: &mut ClientConnection,
    driver: &mut BlockingDriver<'_>,
    backend: &mut Socket,
) -> Result<(), ProxyError> {
    client.relay.attempt(false);
    driver.exchange(&mut client.relay, &mut client.socket, backend)
}

/// Ends the exchange, and records its times and result. The last of `tried` is the backend that was used.
fn record(
    balancer: &Balancer,
    client: &mut ClientConnection,
    driver: &BlockingDriver<'_>,
    connected_after: Option<Duration>,
    tried: &[Arc<Backend>],
) -> AfterClient {
    let (mut exchange, after, _close) = client.relay.end();
    exchange.times.connected = connected_after;
    exchange.times.first_byte = connected_after.and(driver.first_byte_at()).map(|at| at - client.request_started_at());
    exchange.times.total = client.request_started_at().elapsed();
    exchange.retries = u8::try_from(tried.len().saturating_sub(1)).unwrap_or(u8::MAX);
    if let Some(backend) = tried.last() {
        exchange.backend = Some(backend.id());
        if connected_after.is_some() {
            backend.stats.record(&exchange);
        }
    }
    balancer.log_and_count(client.peer_ip(), &exchange);
    after
}
