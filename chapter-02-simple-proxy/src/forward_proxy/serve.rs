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
    http::{AfterClient, Exchange, FailureKind, HeadView, Method, Phase, ProtocolError, ProxyError, Side},
    net::set_reset_on_close,
    shutdown::Shutdown,
};

use super::{
    ForwardProxy,
    acl::DenyReason,
    credentials::{CHALLENGE, Credentials},
    destination::Destination,
};
use crate::{client_connection::ClientConnection, connect, driver::BlockingDriver, socket::Socket};

/// What a request says of itself, kept after its head is gone.
struct ForwardRequest {
    is_connect: bool,
    authority: Vec<u8>,
    is_authenticated: bool,
}

impl ForwardRequest {
    fn new(head: HeadView<'_>, expected: Option<&Credentials>) -> Self {
        let mut presented = head.fields().filter(|(name, _)| name.eq_ignore_ascii_case(b"Proxy-Authorization"));
        let is_authenticated = match (expected, presented.next(), presented.next()) {
            (None, ..) => true,
            (Some(expected), Some((_, value)), None) => expected.verify_header(value),
            _ => false,
        };
        let authority = head.authority().unwrap_or_default().to_vec();
        Self { is_connect: head.method() == Method::Connect, authority, is_authenticated }
    }
}

/// Why a request goes nowhere, or not to its end.
enum ForwardError {
    ProxyAuthRequired,
    Forbidden,
    Proxy(ProxyError),
}

impl From<ProxyError> for ForwardError {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

/// Serves a client until it leaves, or may not stay.
pub(crate) fn serve_connection(proxy: &ForwardProxy, stream: TcpStream, connection: u32, shutdown: &Shutdown) {
    let _counted = proxy.stats.track_connection();
    let Ok(mut client) = ClientConnection::new(stream, connection, &proxy.forwarding) else { return }; // it left already
    let mut driver = BlockingDriver::new(&proxy.config.timeouts, shutdown);
    let after = loop {
        let request = match next_head(proxy, &mut client, &mut driver) {
            Ok(Some(asked)) => asked,
            Ok(None) => break AfterClient::Linger,
            Err(error) => {
                let (exchange, after) = client.reject_request(&mut driver, &error);
                proxy.log_and_count(client.peer_ip(), &exchange);
                break after;
            }
        };
        match serve_request(proxy, &mut client, &mut driver, &request) {
            AfterClient::KeepAlive => client.keep_pipelined_bytes(),
            after => break after,
        }
    };
    driver.close(client.socket, after);
}

fn serve_request(
    proxy: &ForwardProxy,
    client: &mut ClientConnection,
    driver: &mut BlockingDriver<'_>,
    request: &ForwardRequest,
) -> AfterClient {
    let totals = if request.is_connect { &proxy.tunnel_stats } else { &proxy.request_stats };
    let mut connected = None;
    let mut steps = || -> Result<(), ForwardError> {
        admit(client, driver, request)?;
        let addresses = choose(proxy, request)?;
        let mut backend = connect(&addresses, driver)?;
        let _counted = totals.track_request();
        connected = Some(client.request_started_at().elapsed());
        Ok(exchange(client, driver, &mut backend, request)?)
    };
    let outcome = steps();
    let cut = matches!(&outcome, Err(ForwardError::Proxy(error)) if is_tunnel_reset(error, Side::Backend));
    if let Err(stopped) = outcome {
        match stopped {
            ForwardError::ProxyAuthRequired => client.relay.send_local_reply(407, wall_clock(), &[CHALLENGE]),
            ForwardError::Forbidden => client.relay.send_local_reply(403, wall_clock(), &[]),
            ForwardError::Proxy(error) => client.relay.fail(&error, wall_clock()),
        }
        driver.send_local_reply(&mut client.relay, &mut client.socket);
    }
    let (exchange, after) = record(proxy, client, driver, request, connected);
    totals.record(&exchange);
    if cut { AfterClient::Abort } else { after }
}

/// Waits for a request.
fn next_head(
    proxy: &ForwardProxy,
    client: &mut ClientConnection,
    driver: &mut BlockingDriver<'_>,
) -> Result<Option<ForwardRequest>, ProxyError> {
    let mut request = None;
    client.next_request_with(driver, &proxy.forwarding, proxy.identity, |head, _| {
        request = Some(ForwardRequest::new(head, proxy.config.auth.as_ref()));
        Ok(None)
    })?;
    Ok(request)
}

/// Lets the request in if its client may ask; while the process drains, each is its connection's last.
fn admit(
    client: &mut ClientConnection,
    driver: &BlockingDriver<'_>,
    request: &ForwardRequest,
) -> Result<(), ForwardError> {
    if driver.is_draining() {
        client.relay.close_after_response();
    }
    if request.is_authenticated { Ok(()) } else { Err(ForwardError::ProxyAuthRequired) }
}

// ANCHOR: choose
/// Chooses what the request names, if it is allowed: its addresses, in the resolver's order.
fn choose(proxy: &ForwardProxy, request: &ForwardRequest) -> Result<Vec<SocketAddr>, ForwardError> {
    let denied = |denied| match denied {
        // RFC 9110 §7.6.3. Sent to ourselves it would come back with our own name in `Via`.
        DenyReason::OwnListener if !request.is_connect => {
            ProxyError::invalid_request(ProtocolError::LoopDetected, Phase::Connect).into()
        }
        DenyReason::OwnListener | DenyReason::NotAllowed => ForwardError::Forbidden,
    };
    let destination = Destination::parse(&request.authority)
        .ok_or_else(|| ProxyError::invalid_request(ProtocolError::RequestTarget, Phase::Connect))?;
    proxy.acl.check_name(&destination).map_err(denied)?;
    let addresses = destination
        .resolve()
        .map_err(|error| ProxyError::new(FailureKind::Connect, Side::Backend, Phase::Connect).with_source(error))?;
    proxy.acl.check_addresses(&destination, addresses).map_err(denied)
}
// ANCHOR_END: choose

/// Connects to it: a fresh connection for each request.
fn connect(addresses: &[SocketAddr], driver: &BlockingDriver<'_>) -> Result<Socket, ProxyError> {
    connect::connect(addresses.iter().copied(), driver.timeouts().connect, driver.shutdown())
}

/// Relays the request and its answer; or opens the tunnel, now that its other end stands and not before:
/// a 200 could not be taken back.
fn exchange(
    client: &mut ClientConnection,
    driver: &mut BlockingDriver<'_>,
    backend: &mut Socket,
    request: &ForwardRequest,
) -> Result<(), ProxyError> {
    if request.is_connect {
        client.relay.open_tunnel();
    } else {
        client.relay.attempt(false);
    }
    let result = driver.exchange(&mut client.relay, &mut client.socket, backend);
    if matches!(&result, Err(error) if is_tunnel_reset(error, Side::Client)) {
        set_reset_on_close(backend.stream());
    }
    result
}

/// One end of a tunnel was reset. The other is told by the same means: a FIN would say that all is whole.
fn is_tunnel_reset(error: &ProxyError, deadline: Side) -> bool {
    error.phase == Phase::Tunnel && error.kind == FailureKind::Reset && error.side == deadline
}

/// Closes the books on the exchange.
fn record(
    proxy: &ForwardProxy,
    client: &mut ClientConnection,
    driver: &BlockingDriver<'_>,
    request: &ForwardRequest,
    connected: Option<Duration>,
) -> (Exchange, AfterClient) {
    let (mut exchange, after, _close) = client.relay.end();
    exchange.times.connected = connected;
    exchange.times.first_byte = connected.and(driver.first_byte_at()).map(|at| at - client.request_started_at());
    exchange.times.total = client.request_started_at().elapsed();
    tracing::info_span!("to", authority = %request.authority.escape_ascii())
        .in_scope(|| proxy.log_and_count(client.peer_ip(), &exchange));
    (exchange, after)
}
