//! The steps of a session: choose, connect, relay, record.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use advanced_features::request::{
    attempt::Attempt,
    context::{Dispatch, RequestContext},
    error::RequestError,
};
use common::{
    clock::now,
    http::{FailureKind, Side},
    net::set_reset_on_close,
};
use connection_pooling::{timer::LazyTimer, worker::service::Connection};
use tokio::net::TcpStream;

use super::{
    end::SessionEnd,
    prelude::Prelude,
    record::{SessionRecord, exchange},
    wait,
};
use crate::{
    keep_alive::enable_keep_alive,
    proxy_protocol::{self, ProxyHeader},
    relay::{
        direction::{Direction, SideError},
        duplex::{Duplex, DuplexEnd},
    },
    tcp_worker::TcpWorker,
};

/// A client's session.
struct Session {
    peer: SocketAddr,
    accepted_at: Instant,
    timer: LazyTimer,
    /// Once it is routed.
    routed: Option<Routed>,
}

/// Where a session goes.
struct Routed {
    client: SocketAddr,
    server_name: Option<Box<str>>,
    /// How long it took to connect to the backend.
    connect: Option<Duration>,
    /// Its group, and the backends that it has tried.
    ctx: RequestContext,
}

// ANCHOR: serve
/// Serves a session from its acceptance to its record.
#[expect(clippy::manual_async_fn, reason = "the future of an async fn would store `connection` twice")]
pub(crate) fn serve<D: Direction>(
    connection: Connection<TcpWorker<D>>,
    accepted_at: Instant,
) -> impl Future<Output = ()> {
    async move {
        connection.guard.register_task().await;
        let (worker, client) = (&*connection.guard.service, &connection.stream);
        let mut session = Session { peer: connection.peer, accepted_at, timer: LazyTimer::default(), routed: None };
        // Boxed: the memory of these waits is given back before the session relays, which may take hours.
        let upstream = Box::pin(connect_upstream(worker, client, connection.local, &mut session)).await;
        let (upstream, first_bytes) = upstream.map_or_else(|end| (Err(end), Vec::new()), |(up, bytes)| (Ok(up), bytes));
        let mut duplex = Duplex::<D>::new(first_bytes, now());
        let end = match &upstream {
            Ok(upstream) => {
                let (sockets, timeout) = ((client, &upstream.connection), worker.options().session_timeout);
                let ended = duplex.run(worker.thread(), worker.mover(), sockets, &mut session.timer, timeout);
                session_end(&ended.await)
            }
            Err(end) => *end,
        };
        if end != SessionEnd::Done {
            // What is in a pipe is lost: a FIN would make it look whole.
            set_reset_on_close(client);
            if let Ok(upstream) = &upstream {
                set_reset_on_close(&upstream.connection);
            }
        }
        record(worker, &mut session, end, upstream.ok().as_ref(), &duplex);
    }
}
// ANCHOR_END: serve

/// Reads the prelude, routes the session and connects it. Also returns what the backend gets first.
async fn connect_upstream<D>(
    worker: &TcpWorker<D>,
    client: &TcpStream,
    local: SocketAddr,
    session: &mut Session,
) -> Result<(Attempt<TcpStream>, Vec<u8>), SessionEnd> {
    let Session { peer, accepted_at, timer, routed } = session;
    let Prelude { client: source, destination, group, server_name, received } =
        wait::wait_for_prelude(worker, client, timer, (*peer, local), *accepted_at).await?;
    let ctx = RequestContext::new(worker.thread().balancer().route_connection(group, source.ip()));
    let routed = routed.insert(Routed { client: source, server_name, connect: None, ctx });
    let attempt = connect_to_a_backend(worker, client, timer, routed, *accepted_at).await?;
    let mut first_bytes = Vec::new();
    if let Some(version) = worker.options().send_proxy {
        proxy_protocol::write(version, &ProxyHeader::proxy(source, destination), &mut first_bytes);
    }
    first_bytes.extend(received);
    Ok((attempt, first_bytes))
}

/// Tries one backend after another, each once, until one has taken the connection.
async fn connect_to_a_backend<D>(
    worker: &TcpWorker<D>,
    client: &TcpStream,
    timer: &mut LazyTimer,
    Routed { connect, ctx, .. }: &mut Routed,
    accepted_at: Instant,
) -> Result<Attempt<TcpStream>, SessionEnd> {
    let balancer = worker.thread().balancer();
    balancer.admit(ctx, now()).map_err(|_| SessionEnd::NoBackend)?;
    loop {
        let in_flight = match ctx.choose(now()).map_err(|error| end_without_backend(&error))? {
            Dispatch::Backend(in_flight) => in_flight,
            Dispatch::Queue => wait::wait_for_slot(worker, client, timer, ctx).await?,
        };
        let backend = Arc::clone(in_flight.backend());
        let started_at = now();
        let connected = wait::wait_for_connect(worker, client, timer, &backend).await?;
        let connected_at = now();
        balancer.record_connect(&backend, connected.as_ref().err(), connected_at);
        match connected {
            Ok(attempt) => {
                *connect = Some(connected_at.saturating_duration_since(started_at));
                backend.totals.count_request();
                enable_keep_alive(&attempt.socket);
                return Ok(Attempt::new(in_flight, attempt.socket, false, accepted_at, connected_at));
            }
            Err(error) if error.side == Side::Backend => ctx.exclude_backend(&backend, error),
            Err(_out_of_descriptors) => return Err(SessionEnd::NoBackend),
        }
    }
}

fn session_end(ended: &DuplexEnd) -> SessionEnd {
    match ended {
        DuplexEnd::Done => SessionEnd::Done,
        DuplexEnd::Failed(SideError { side: Side::Backend, .. }) => SessionEnd::BackendReset,
        DuplexEnd::Failed(_) => SessionEnd::ClientReset,
        DuplexEnd::Idle => SessionEnd::Idle,
        DuplexEnd::Stopped => SessionEnd::Drained,
    }
}

fn record<D: Direction>(
    worker: &TcpWorker<D>,
    session: &mut Session,
    end: SessionEnd,
    upstream: Option<&Attempt<TcpStream>>,
    duplex: &Duplex<D>,
) {
    let (ended_at, Session { peer, accepted_at, routed, .. }) = (now(), session);
    let has_tried = routed.as_ref().is_some_and(|routed| routed.ctx.has_tried());
    let mut exchange = exchange(end, duplex.sent(), has_tried);
    exchange.times.total = ended_at.saturating_duration_since(*accepted_at);
    if let Some(upstream) = upstream {
        upstream.finish(&mut exchange, *accepted_at, duplex.first_byte_at(), ended_at);
    }
    let (mut client, mut server_name, mut connect) = (*peer, None, None);
    if let Some(routed) = routed {
        routed.ctx.finish(&mut exchange, ended_at);
        (client, server_name, connect) = (routed.client, routed.server_name.take(), routed.connect);
    }
    worker.record(&SessionRecord {
        client,
        peer: *peer,
        accepted_at: *accepted_at,
        server_name,
        connect,
        backend: upstream.map(|upstream| Arc::clone(upstream.backend())),
        spliced: duplex.spliced(),
        end,
        exchange,
    });
}

/// No backend is left: none may be picked, or the last one that was tried failed.
fn end_without_backend(error: &RequestError) -> SessionEnd {
    match error {
        RequestError::Failed(error) if error.kind == FailureKind::Timeout => SessionEnd::ConnectTimeout,
        _ => SessionEnd::NoBackend,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::half::Half;

    fn future_size<F: Future>(_: impl Fn(Connection<TcpWorker<Half>>, Instant) -> F) -> usize {
        size_of::<F>()
    }

    /// Thousands of idle sessions have thousands of these futures.
    #[test]
    fn the_future_of_a_session_is_small() {
        let bytes = future_size(serve);
        assert!(bytes <= 1_024, "{bytes} bytes");
    }
}
