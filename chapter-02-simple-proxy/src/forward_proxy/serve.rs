//! One client of the forward proxy, from its first request to its last.
//!
//! `next_head → admit → choose → connect → exchange → record`, as in the reverse proxy: open `serve.rs`
//! beside this one. What differs is who knows where to (the request does), and that a CONNECT is answered
//! by us, with a tunnel behind the answer.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use common::{
    clock::wall_clock,
    http::{AfterClient, Exchange, HeadView, Kind, Method, Phase, ProxyError, Refusal, Side},
    net::set_reset_on_close,
    shutdown::Shutdown,
};

use super::{
    Proxy,
    acl::Denied,
    credentials::{CHALLENGE, Credentials},
    destination::Destination,
};
use crate::{client_connection::Client, connect, driver::Waiter, socket::Socket};

/// What a request says of itself, kept after its head is gone.
struct Asked {
    tunnel: bool,
    authority: Vec<u8>,
    authenticated: bool,
}

impl Asked {
    fn new(head: HeadView<'_>, expected: Option<&Credentials>) -> Self {
        let mut given = head.fields().filter(|(name, _)| name.eq_ignore_ascii_case(b"Proxy-Authorization"));
        let authenticated = match (expected, given.next(), given.next()) {
            (None, ..) => true,
            (Some(expected), Some((_, value)), None) => expected.match_field(value),
            _ => false,
        };
        let authority = head.authority().unwrap_or_default().to_vec();
        Self { tunnel: head.method() == Method::Connect, authority, authenticated }
    }
}

/// Why a request goes nowhere, or not to its end.
enum Stopped {
    Unauthenticated,
    Forbidden,
    Failed(ProxyError),
}

impl From<ProxyError> for Stopped {
    fn from(error: ProxyError) -> Self {
        Self::Failed(error)
    }
}

/// Serves a client until it leaves, or may not stay.
pub(crate) fn serve(proxy: &Proxy, stream: TcpStream, connection: u32, shutdown: &Shutdown) {
    let _counted = proxy.totals.client();
    let Ok(mut client) = Client::new(stream, connection, &proxy.forwarding) else { return }; // it left already
    let mut waiter = Waiter::new(&proxy.config.timeouts, shutdown);
    let after = loop {
        let asked = match next_head(proxy, &mut client, &mut waiter) {
            Ok(Some(asked)) => asked,
            Ok(None) => break AfterClient::Linger,
            Err(error) => {
                let (exchange, after) = client.reject(&mut waiter, &error);
                proxy.log_and_count(client.peer(), &exchange);
                break after;
            }
        };
        match one_request(proxy, &mut client, &mut waiter, &asked) {
            AfterClient::KeepAlive => client.keep_alive(),
            after => break after,
        }
    };
    waiter.part(client.socket, after);
}

fn one_request(proxy: &Proxy, client: &mut Client, waiter: &mut Waiter<'_>, asked: &Asked) -> AfterClient {
    let totals = if asked.tunnel { &proxy.tunnels } else { &proxy.requests };
    let mut connected = None;
    let mut steps = || -> Result<(), Stopped> {
        admit(client, waiter, asked)?;
        let addresses = choose(proxy, asked)?;
        let mut backend = connect(&addresses, waiter)?;
        let _counted = totals.request();
        connected = Some(client.started().elapsed());
        Ok(exchange(client, waiter, &mut backend, asked)?)
    };
    let outcome = steps();
    let cut = matches!(&outcome, Err(Stopped::Failed(error)) if is_reset(error, Side::Backend));
    if let Err(stopped) = outcome {
        match stopped {
            Stopped::Unauthenticated => client.relay.answer(407, wall_clock(), &[CHALLENGE]),
            Stopped::Forbidden => client.relay.answer(403, wall_clock(), &[]),
            Stopped::Failed(error) => client.relay.fail(&error, wall_clock()),
        }
        waiter.deliver(&mut client.relay, &mut client.socket);
    }
    let (exchange, after) = record(proxy, client, waiter, asked, connected);
    totals.record(&exchange);
    if cut { AfterClient::Abort } else { after }
}

/// Waits for a request.
fn next_head(proxy: &Proxy, client: &mut Client, waiter: &mut Waiter<'_>) -> Result<Option<Asked>, ProxyError> {
    let mut asked = None;
    client.next_request_with(waiter, &proxy.forwarding, proxy.identity, |head, _| {
        asked = Some(Asked::new(head, proxy.config.auth.as_ref()));
        Ok(None)
    })?;
    Ok(asked)
}

/// Lets the request in if its client may ask; while the process drains, each is its connection's last.
fn admit(client: &mut Client, waiter: &Waiter<'_>, asked: &Asked) -> Result<(), Stopped> {
    if waiter.draining() {
        client.relay.close_after();
    }
    if asked.authenticated { Ok(()) } else { Err(Stopped::Unauthenticated) }
}

// ANCHOR: choose
/// Chooses what the request names, if it is allowed: its addresses, in the resolver's order.
fn choose(proxy: &Proxy, asked: &Asked) -> Result<Vec<SocketAddr>, Stopped> {
    let denied = |denied| match denied {
        // RFC 9110 §7.6.3. Sent to ourselves it would come back with our own name in `Via`.
        Denied::Ourselves if !asked.tunnel => ProxyError::refused_request(Refusal::Loop, Phase::Connect).into(),
        Denied::Ourselves | Denied::Forbidden => Stopped::Forbidden,
    };
    let destination = Destination::parse(&asked.authority)
        .ok_or_else(|| ProxyError::refused_request(Refusal::Target, Phase::Connect))?;
    proxy.access.check_name(&destination).map_err(denied)?;
    let addresses = destination
        .resolve()
        .map_err(|error| ProxyError::new(Kind::Connect, Side::Backend, Phase::Connect).with_source(error))?;
    proxy.access.check_addresses(&destination, addresses).map_err(denied)
}
// ANCHOR_END: choose

/// Connects to it: a fresh connection for each request.
fn connect(addresses: &[SocketAddr], waiter: &Waiter<'_>) -> Result<Socket, ProxyError> {
    connect::connect(addresses.iter().copied(), waiter.timeouts().connect, waiter.shutdown())
}

/// Relays the request and its answer; or opens the tunnel, now that its other end stands and not before:
/// a 200 could not be taken back.
fn exchange(
    client: &mut Client,
    waiter: &mut Waiter<'_>,
    backend: &mut Socket,
    asked: &Asked,
) -> Result<(), ProxyError> {
    if asked.tunnel {
        client.relay.open_tunnel();
    } else {
        client.relay.attempt(false);
    }
    let moved = waiter.exchange(&mut client.relay, &mut client.socket, backend);
    if matches!(&moved, Err(error) if is_reset(error, Side::Client)) {
        set_reset_on_close(backend.stream());
    }
    moved
}

/// One end of a tunnel was reset. The other is told by the same means: a FIN would say that all is whole.
fn is_reset(error: &ProxyError, by: Side) -> bool {
    error.phase == Phase::Tunnel && error.kind == Kind::Reset && error.side == by
}

/// Closes the books on the exchange.
fn record(
    proxy: &Proxy,
    client: &mut Client,
    waiter: &Waiter<'_>,
    asked: &Asked,
    connected: Option<Duration>,
) -> (Exchange, AfterClient) {
    let (mut exchange, after, _close) = client.relay.end();
    exchange.times.connected = connected;
    exchange.times.first_byte = connected.and(waiter.first_byte()).map(|at| at - client.started());
    exchange.times.total = client.started().elapsed();
    tracing::info_span!("to", authority = %asked.authority.escape_ascii())
        .in_scope(|| proxy.log_and_count(client.peer(), &exchange));
    (exchange, after)
}
