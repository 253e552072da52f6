//! What is known of a session when it has ended.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use advanced_features::balance::backend::Backend;
use common::http::{Exchange, ExchangeFailure, FailureKind, Phase, PhaseTimes, Side};

use super::end::SessionEnd;

/// A session that has ended.
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// The client.
    pub client: SocketAddr,
    /// The peer of its connection: the client itself, or the proxy whose PROXY header names the client.
    pub peer: SocketAddr,
    /// When the connection was accepted.
    pub accepted_at: Instant,
    /// The TLS server name that the client asked for, if an SNI rule made the balancer look.
    pub server_name: Option<Box<str>>,
    /// How long it took to connect to the backend.
    pub connect: Option<Duration>,
    /// The backend that took the session.
    pub backend: Option<Arc<Backend>>,
    /// How many of its bytes went through a pipe. The others were copied.
    pub spliced: u64,
    /// How it ended.
    pub end: SessionEnd,
    /// The rest, in the terms of chapter 4, whose breaker and outlier detection judge exchanges.
    pub exchange: Exchange,
}

impl SessionRecord {
    /// How many of its bytes were copied.
    pub(crate) fn copied(&self) -> u64 {
        self.exchange.bytes_from_client + self.exchange.bytes_from_backend - self.spliced
    }

    /// Logs the session in one line.
    pub(crate) fn log(&self) {
        let Self { client, peer, backend, spliced, end, exchange, .. } = self;
        let via = if client == peer { String::new() } else { format!(" via {peer}") };
        let backend = backend.as_ref().map_or(String::from("-"), |backend| backend.name());
        let copied = self.copied();
        let connected = exchange.times.connected.map_or(String::from("-"), |time| format!("{time:.1?}"));
        tracing::info!(
            "{client}{via} backend={backend} in={} out={} spliced={spliced} copied={copied} connected={connected} total={:.1?} retries={} {end}",
            exchange.bytes_from_client,
            exchange.bytes_from_backend,
            exchange.times.total,
            exchange.retries,
        );
    }
}

/// The exchange of a session that ended so. `sent`: the bytes sent to the backend and to the client. `has_tried`: whether
/// a backend could not be connected to.
pub(super) fn exchange(end: SessionEnd, sent: (u64, u64), has_tried: bool) -> Exchange {
    Exchange {
        method: None,
        // Judged as an answer that is no failure, unless `failure` says otherwise.
        status: 200,
        backend: None,
        group: None,
        route: None,
        reused: false,
        retries: 0,
        local_reply: false,
        has_response: sent.1 > 0 || end == SessionEnd::Done,
        bytes_from_client: sent.0,
        bytes_from_backend: sent.1,
        times: PhaseTimes::default(),
        failure: failure(end, has_tried),
        end_reason: end.as_str(),
    }
}

fn failure(end: SessionEnd, has_tried: bool) -> Option<ExchangeFailure> {
    let (side, kind, phase) = match end {
        SessionEnd::Done => return None,
        SessionEnd::ClientReset => (Side::Client, FailureKind::Reset, Phase::Tunnel),
        SessionEnd::BackendReset => (Side::Backend, FailureKind::Reset, Phase::Tunnel),
        SessionEnd::NoBackend if has_tried => (Side::Backend, FailureKind::Connect, Phase::Connect),
        SessionEnd::NoBackend => (Side::Internal, FailureKind::Unavailable, Phase::Connect),
        SessionEnd::ConnectTimeout => (Side::Backend, FailureKind::Timeout, Phase::Connect),
        SessionEnd::Idle => (Side::Internal, FailureKind::Timeout, Phase::Tunnel),
        SessionEnd::Drained => (Side::Internal, FailureKind::ShuttingDown, Phase::Tunnel),
        SessionEnd::BadProxyHeader | SessionEnd::NoHello => {
            (Side::Client, FailureKind::IncompleteMessage, Phase::RequestHead)
        }
    };
    Some(ExchangeFailure { kind, side, phase })
}
