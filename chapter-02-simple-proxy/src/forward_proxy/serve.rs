//! Serves one client connection of the forward proxy.
//!
//! `next_head → admit → choose → connect → exchange → record`, as in the reverse proxy: compare its `serve.rs`.
//! Two things differ: the request names the destination, and the proxy itself answers a CONNECT, with a tunnel after
//! the response.

use std::{
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use common::{
    clock::{now, wall_clock},
    http::{AfterClient, Exchange, FailureKind, HeadView, LocalReply, Method, Phase, ProtocolError, ProxyError, Side},
    net::{AddressList, ConnectPlan, set_reset_on_close},
    shutdown::Shutdown,
};

use super::{
    ForwardProxy,
    acl::DenyReason,
    credentials::{Credentials, PROXY_AUTH_REQUIRED},
    destination::Destination,
};
use crate::{client_connection::ClientConnection, connect, driver::BlockingDriver, socket::Socket};

/// The parts of a request that are needed after its head has been consumed.
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

/// The reply where the access list forbids the destination.
const FORBIDDEN: LocalReply = LocalReply::new(403, "forbidden");

/// Why a request was not completed.
enum ForwardError {
    Refused(LocalReply),
    Proxy(ProxyError),
}

impl From<ProxyError> for ForwardError {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

/// Serves a client until it disconnects, or its connection must be closed.
pub(crate) fn serve_connection(proxy: &ForwardProxy, stream: TcpStream, connection_id: u32, shutdown: &Shutdown) {
    let _gauge = proxy.stats.track_connection();
    // An error: the client has disconnected already.
    let Ok(mut client) = ClientConnection::new(stream, connection_id, &proxy.forwarding) else { return };
    let mut driver = BlockingDriver::new(&proxy.config.timeouts, shutdown);
    let after = loop {
        let request = match next_head(proxy, &mut client, &mut driver) {
            Ok(Some(request)) => request,
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
    let stats = if request.is_connect { &proxy.tunnel_stats } else { &proxy.request_stats };
    let mut connected_after = None;
    let mut steps = || -> Result<(), ForwardError> {
        admit(client, driver, request)?;
        let addresses = choose(proxy, request)?;
        let mut backend = connect(addresses, driver)?;
        let _gauge = stats.track_request();
        connected_after = Some(client.request_started_at().elapsed());
        Ok(exchange(client, driver, &mut backend, request)?)
    };
    let outcome = steps();
    let backend_reset = matches!(&outcome, Err(ForwardError::Proxy(error)) if is_tunnel_reset(error, Side::Backend));
    if let Err(error) = outcome {
        match error {
            ForwardError::Refused(reply) => client.relay.send_local_reply(&reply, wall_clock()),
            ForwardError::Proxy(error) => client.relay.fail(&error, wall_clock()),
        }
        driver.send_local_reply(&mut client.relay, &mut client.socket);
    }
    let (exchange, after) = record(proxy, client, driver, request, connected_after);
    stats.record(&exchange);
    if backend_reset { AfterClient::Abort } else { after }
}

/// Waits for the next request.
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

/// Admits the request if its client is authenticated, unless we are its final recipient. While the process drains, it is
/// the connection's last request.
fn admit(
    client: &mut ClientConnection,
    driver: &BlockingDriver<'_>,
    request: &ForwardRequest,
) -> Result<(), ForwardError> {
    if driver.is_draining() {
        client.relay.close_after_response();
    }
    let refusal =
        if request.is_authenticated { client.relay.final_recipient_reply() } else { Some(PROXY_AUTH_REQUIRED) };
    refusal.map_or(Ok(()), |reply| Err(ForwardError::Refused(reply)))
}

// ANCHOR: choose
/// Chooses the destination that the request names, if it is allowed: its addresses, in the resolver's order.
fn choose(proxy: &ForwardProxy, request: &ForwardRequest) -> Result<Vec<SocketAddr>, ForwardError> {
    let denied = |reason| match reason {
        // RFC 9110 §7.6.3: a request to our own listener would come back with our own name in `Via`.
        DenyReason::OwnListener if !request.is_connect => {
            ProxyError::invalid_request(ProtocolError::LoopDetected, Phase::Connect).into()
        }
        DenyReason::OwnListener | DenyReason::NotAllowed => ForwardError::Refused(FORBIDDEN),
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

/// Connects to the destination: each request gets a new connection.
fn connect(addresses: Vec<SocketAddr>, driver: &BlockingDriver<'_>) -> Result<Socket, ProxyError> {
    let now = now();
    let addresses = Arc::new(AddressList::new(addresses, now));
    connect::connect(ConnectPlan::new(&addresses, now, now + driver.timeouts().connect), driver.shutdown())
}

/// Relays the request and its response, or opens the tunnel. The tunnel is opened only after the backend is
/// connected, because a 200 cannot be taken back.
fn exchange(
    client: &mut ClientConnection,
    driver: &mut BlockingDriver<'_>,
    backend: &mut Socket,
    request: &ForwardRequest,
) -> Result<(), ProxyError> {
    if request.is_connect {
        client.relay.establish_tunnel();
    } else {
        client.relay.attempt(false);
    }
    let result = driver.exchange(&mut client.relay, &mut client.socket, backend);
    if matches!(&result, Err(error) if is_tunnel_reset(error, Side::Client)) {
        set_reset_on_close(backend.stream());
    }
    result
}

/// Whether the tunnel was reset by `side`. The other side must be reset too: a FIN would mean that the stream is
/// complete.
fn is_tunnel_reset(error: &ProxyError, side: Side) -> bool {
    error.phase == Phase::Tunnel && error.kind == FailureKind::Reset && error.side == side
}

/// Ends the exchange, and records its times and result.
fn record(
    proxy: &ForwardProxy,
    client: &mut ClientConnection,
    driver: &BlockingDriver<'_>,
    request: &ForwardRequest,
    connected_after: Option<Duration>,
) -> (Exchange, AfterClient) {
    let (mut exchange, after, _close) = client.relay.end();
    exchange.times.connected = connected_after;
    exchange.times.first_byte = connected_after.and(driver.first_byte_at()).map(|at| at - client.request_started_at());
    exchange.times.total = client.request_started_at().elapsed();
    tracing::info_span!("to", authority = %request.authority.escape_ascii())
        .in_scope(|| proxy.log_and_count(client.peer_ip(), &exchange));
    (exchange, after)
}
