//! One client, from its first request to its last: the steps that every chapter takes.
//!
//! `next_head → admit → choose → connect → exchange → record`. Open the next chapter's `serve.rs` beside
//! this one to see what it adds.

use std::{net::TcpStream, time::Duration};

use common::{
    clock::wall_clock,
    http::{AfterClient, ProxyError},
    shutdown::Shutdown,
};

use crate::{client_connection::Client, connect, driver::Waiter, proxy::Proxy, socket::Socket};

/// Serves a client until it leaves, or may not stay.
pub(crate) fn serve(proxy: &Proxy, stream: TcpStream, connection: u32, shutdown: &Shutdown) {
    let _counted = proxy.totals.client();
    let Ok(mut client) = Client::new(stream, connection, &proxy.forwarding) else { return }; // it left already
    let mut waiter = Waiter::new(&proxy.config.timeouts, shutdown);
    let after = loop {
        match next_head(proxy, &mut client, &mut waiter) {
            Ok(true) => {}
            Ok(false) => break AfterClient::Linger,
            Err(error) => {
                let (exchange, after) = client.reject(&mut waiter, &error);
                proxy.log_and_count(client.peer(), &exchange);
                break after;
            }
        }
        match one_request(proxy, &mut client, &mut waiter) {
            AfterClient::KeepAlive => client.keep_alive(),
            after => break after,
        }
    };
    waiter.part(client.socket, after);
}

// ANCHOR: one_request
fn one_request(proxy: &Proxy, client: &mut Client, waiter: &mut Waiter<'_>) -> AfterClient {
    admit(client, waiter);
    choose(proxy);
    let mut connected = None;
    let outcome = connect(proxy, waiter).and_then(|mut backend| {
        let _counted = proxy.backend_totals.request();
        connected = Some(client.started().elapsed());
        exchange(client, waiter, &mut backend)
    });
    if let Err(error) = outcome {
        client.relay.fail(&error, wall_clock());
        waiter.deliver(&mut client.relay, &mut client.socket);
    }
    record(proxy, client, waiter, connected)
}
// ANCHOR_END: one_request

/// Waits for a request.
fn next_head(proxy: &Proxy, client: &mut Client, waiter: &mut Waiter<'_>) -> Result<bool, ProxyError> {
    client.next_request(waiter, &proxy.forwarding, proxy.identity)
}

/// Lets the request in. All are let in; while the process drains, each is its connection's last.
fn admit(client: &mut Client, waiter: &Waiter<'_>) {
    if waiter.draining() {
        client.relay.close_after();
    }
}

/// Chooses a backend. There is one.
fn choose(_proxy: &Proxy) {}

/// Connects to it: a fresh connection for each request.
fn connect(proxy: &Proxy, waiter: &Waiter<'_>) -> Result<Socket, ProxyError> {
    connect::connect(proxy.config.addresses.iter().copied(), waiter.timeouts().connect, waiter.shutdown())
}

/// Relays the request and its answer.
fn exchange(client: &mut Client, waiter: &mut Waiter<'_>, backend: &mut Socket) -> Result<(), ProxyError> {
    client.relay.attempt(false);
    waiter.exchange(&mut client.relay, &mut client.socket, backend)
}

/// Closes the books on the exchange.
fn record(proxy: &Proxy, client: &mut Client, waiter: &Waiter<'_>, connected: Option<Duration>) -> AfterClient {
    let (mut exchange, after, _close) = client.relay.end();
    exchange.times.connected = connected;
    exchange.times.first_byte = connected.and(waiter.first_byte()).map(|at| at - client.started());
    exchange.times.total = client.started().elapsed();
    proxy.backend_totals.record(&exchange);
    proxy.log_and_count(client.peer(), &exchange);
    after
}
