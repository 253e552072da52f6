//! What is known of a flow when it has ended.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use advanced_features::balance::backend::Backend;
use common::http::{Exchange, ExchangeFailure, FailureKind, Phase, PhaseTimes, Side};

use super::{flow_end::FlowEnd, stats::Traffic};

/// A flow that has ended.
#[derive(Debug, Clone)]
pub(super) struct FlowRecord {
    pub(super) client: SocketAddr,
    /// Its last backend.
    pub(super) backend: Option<Arc<Backend>>,
    pub(super) to_backend: Traffic,
    pub(super) to_client: Traffic,
    pub(super) duration: Duration,
    /// How often it was given another backend.
    pub(super) moves: u32,
    pub(super) end: FlowEnd,
}

impl FlowRecord {
    /// Logs the flow in one line.
    pub(super) fn log(&self) {
        let client = SocketAddr::new(self.client.ip().to_canonical(), self.client.port());
        let backend = self.backend.as_ref().map_or(String::from("-"), |backend| backend.name());
        let Self { to_backend, to_client, duration, moves, end, .. } = self;
        tracing::info!(
            "{client} backend={backend} datagrams_in={} in={} datagrams_out={} out={} total={duration:.1?} moves={moves} {end}",
            to_backend.datagrams,
            to_backend.bytes,
            to_client.datagrams,
            to_client.bytes,
        );
    }

    /// The flow in the terms of chapter 4's statistics.
    pub(super) fn exchange(&self) -> Exchange {
        let mut exchange = exchange(self.end == FlowEnd::Unreachable, self.to_backend, self.to_client);
        exchange.times.total = self.duration;
        exchange
    }
}

/// A flow, or its time with one backend, in the terms of chapter 4, whose breaker judges exchanges.
pub(super) fn exchange(is_unreachable: bool, to_backend: Traffic, to_client: Traffic) -> Exchange {
    let failure = ExchangeFailure { side: Side::Backend, kind: FailureKind::Connect, phase: Phase::Connect };
    Exchange {
        failure: is_unreachable.then_some(failure),
        has_response: to_client.datagrams > 0,
        bytes_from_client: to_backend.bytes,
        bytes_from_backend: to_client.bytes,
        // Judged as an answer that is no failure, unless `failure` says otherwise.
        status: 200,
        method: None,
        backend: None,
        group: None,
        route: None,
        reused: false,
        local_reply: false,
        retries: 0,
        times: PhaseTimes::default(),
        end_reason: "",
    }
}
