//! Serves one client connection, with the same steps as every chapter.
//!
//! `next_head → admit → choose → connect → exchange → record`. Compare the next chapter's `serve.rs` to see what it
//! adds.

use std::{net::TcpStream, time::Duration};

use common::{
    clock::{now, wall_clock},
    http::{AfterClient, LocalReply, ProxyError},
    net::ConnectPlan,
    shutdown::Shutdown,
};

use crate::{
    client_connection::ClientConnection, connect, driver::BlockingDriver, proxy::ReverseProxy, socket::Socket,
};

/// Serves a client until it disconnects, or its connection must be closed.
pub(crate) fn serve_connection(proxy: &ReverseProxy, stream: TcpStream, connection_id: u32, shutdown: &Shutdown) {
    let _gauge = proxy.stats.track_connection();
    // An error: the client has disconnected already.
    let Ok(mut client) = ClientConnection::new(stream, connection_id, &proxy.forwarding) else { return };
    let mut driver = BlockingDriver::new(&proxy.config.timeouts, shutdown);
    let after = loop {
        match next_head(proxy, &mut client, &mut driver) {
            Ok(true) => {}
            Ok(false) => break AfterClient::Linger,
            Err(error) => {
                let (exchange, after) = client.reject_request(&mut driver, &error);
                proxy.log_and_count(client.peer_ip(), &exchange);
                break after;
            }
        }
        match serve_request(proxy, &mut client, &mut driver) {
            AfterClient::KeepAlive => client.keep_pipelined_bytes(),
            after => break after,
        }
    };
    driver.close(client.socket, after);
}

// ANCHOR: one_request
fn serve_request(proxy: &ReverseProxy, client: &mut ClientConnection, driver: &mut BlockingDriver<'_>) -> AfterClient {
    if let Err(reply) = admit(client, driver) {
        client.relay.send_local_reply(&reply, wall_clock());
        driver.send_local_reply(&mut client.relay, &mut client.socket);
        return record(proxy, client, driver, None);
    }
    choose(proxy);
    let mut connected_after = None;
    let outcome = connect(proxy, driver).and_then(|mut backend| {
        let _gauge = proxy.backend_stats.track_request();
        connected_after = Some(client.request_started_at().elapsed());
        exchange(client, driver, &mut backend)
    });
    if let Err(error) = outcome {
        client.relay.fail(&error, wall_clock());
        driver.send_local_reply(&mut client.relay, &mut client.socket);
    }
    record(proxy, client, driver, connected_after)
}
// ANCHOR_END: one_request

/// Waits for the next request.
fn next_head(
    proxy: &ReverseProxy,
    client: &mut ClientConnection,
    driver: &mut BlockingDriver<'_>,
) -> Result<bool, ProxyError> {
    client.next_request(driver, &proxy.forwarding, proxy.identity)
}

/// Admits the request, unless we are its final recipient. While the process drains, each is the connection's last.
fn admit(client: &mut ClientConnection, driver: &BlockingDriver<'_>) -> Result<(), LocalReply> {
    if driver.is_draining() {
        client.relay.close_after_response();
    }
    client.relay.final_recipient_reply().map_or(Ok(()), Err)
}

/// Chooses a backend. There is one.
fn choose(_proxy: &ReverseProxy) {}

/// Connects to the backend: each request gets a new connection.
fn connect(proxy: &ReverseProxy, driver: &BlockingDriver<'_>) -> Result<Socket, ProxyError> {
    let now = now();
    let plan = ConnectPlan::new(&proxy.addresses, now, now + driver.timeouts().connect);
    connect::connect(plan, driver.shutdown())
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

/// Ends the exchange, and records its times and result.
fn record(
    proxy: &ReverseProxy,
    client: &mut ClientConnection,
    driver: &BlockingDriver<'_>,
    connected_after: Option<Duration>,
) -> AfterClient {
    let (mut exchange, after, _close) = client.relay.end();
    exchange.times.connected = connected_after;
    exchange.times.first_byte = connected_after.and(driver.first_byte_at()).map(|at| at - client.request_started_at());
    exchange.times.total = client.request_started_at().elapsed();
    proxy.backend_stats.record(&exchange);
    proxy.log_and_count(client.peer_ip(), &exchange);
    after
}
