//! The steps of a session: choose, connect, relay, record.

use std::{net::SocketAddr, sync::Arc, time::Instant};

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
use connection_pooling::{
    timer::LazyTimer,
    worker::service::{Connection, Service as _},
};
use tokio::net::TcpStream;

use super::{
    end::SessionEnd,
    record::{SessionRecord, exchange},
    wait,
};
use crate::{
    keep_alive::enable_keep_alive,
    relay::{
        duplex::{Duplex, DuplexEnd},
        half::SideError,
    },
    tcp_service::TcpService,
};

/// A client's session.
struct Session {
    peer: SocketAddr,
    accepted_at: Instant,
    /// Its group, and the backends that it has tried.
    ctx: RequestContext,
    timer: LazyTimer,
}

impl Session {
    fn new(service: &TcpService, peer: SocketAddr, accepted_at: Instant) -> Self {
        let ctx = RequestContext::new(service.thread().balancer().route_connection(None, peer.ip()));
        Self { peer, accepted_at, ctx, timer: LazyTimer::default() }
    }
}

// ANCHOR: serve
/// Serves a session from its acceptance to its record.
#[expect(clippy::manual_async_fn, reason = "the future of an async fn would store `connection` twice")]
pub(crate) fn serve(connection: Connection<TcpService>, accepted_at: Instant) -> impl Future<Output = ()> {
    async move {
        connection.guard.register_task().await;
        let (service, client) = (&*connection.guard.service, &connection.stream);
        let mut session = Session::new(service, connection.peer, accepted_at);
        // Boxed: the memory of these waits is given back before the session relays, which may take hours.
        let upstream = Box::pin(connect_to_a_backend(service, client, &mut session)).await;
        let mut duplex = Duplex::new(&[], now());
        let end = match &upstream {
            Ok(upstream) => {
                let (sockets, timeout) = ((client, &upstream.connection), service.options().session_timeout);
                let relayed = duplex.run(service.thread(), service.mover(), sockets, &mut session.timer, timeout);
                session_end(&relayed.await)
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
        record(service, &mut session, end, upstream.ok().as_ref(), &duplex);
    }
}
// ANCHOR_END: serve

/// Tries one backend after another, each once, until one has taken the connection.
async fn connect_to_a_backend(
    service: &TcpService,
    client: &TcpStream,
    session: &mut Session,
) -> Result<Attempt<TcpStream>, SessionEnd> {
    let (balancer, Session { ctx, timer, accepted_at, .. }) = (service.thread().balancer(), session);
    balancer.admit(ctx, now()).map_err(|_| SessionEnd::NoBackend)?;
    loop {
        let in_flight = match ctx.choose(now()).map_err(|error| end_without_backend(&error))? {
            Dispatch::Backend(in_flight) => in_flight,
            Dispatch::Queue => wait::wait_for_slot(service, client, timer, ctx).await?,
        };
        let backend = Arc::clone(in_flight.backend());
        let connected = wait::wait_for_connect(service, client, timer, &backend).await?;
        let connected_at = now();
        balancer.record_connect(&backend, connected.as_ref().err(), connected_at);
        match connected {
            Ok(attempt) => {
                backend.totals.count_request();
                enable_keep_alive(&attempt.socket);
                return Ok(Attempt::new(in_flight, attempt.socket, false, *accepted_at, connected_at));
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

fn record(
    service: &TcpService,
    session: &mut Session,
    end: SessionEnd,
    upstream: Option<&Attempt<TcpStream>>,
    duplex: &Duplex,
) {
    let ended_at = now();
    let mut exchange = exchange(end, duplex.sent(), session.ctx.has_tried());
    exchange.times.total = ended_at.saturating_duration_since(session.accepted_at);
    if let Some(upstream) = upstream {
        upstream.finish(&mut exchange, session.accepted_at, duplex.first_byte_at(), ended_at);
    }
    session.ctx.finish(&mut exchange, ended_at);
    service.record(&SessionRecord { peer: session.peer, end, exchange });
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

    fn future_size<F: Future>(_: impl Fn(Connection<TcpService>, Instant) -> F) -> usize {
        size_of::<F>()
    }

    /// Thousands of idle sessions have thousands of these futures.
    #[test]
    fn the_future_of_a_session_is_small() {
        let bytes = future_size(serve);
        assert!(bytes <= 1_024, "{bytes} bytes");
    }
}
