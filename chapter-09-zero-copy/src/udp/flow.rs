//! One flow: a client's datagrams, and the replies to them.

use std::time::Instant;

use super::{
    flow_end::FlowEnd, flow_table::FlowKey, quota::FlowPermit, record::FlowRecord, stats::Traffic, upstream::Upstream,
};

/// One flow.
#[derive(Debug)]
pub(super) struct Flow {
    /// `None` after an ICMP message, until the client's next datagram.
    pub(super) upstream: Option<Upstream>,
    /// The PROXY header before each datagram to a backend; empty without.
    pub(super) header: Vec<u8>,
    pub(super) to_backend: Traffic,
    pub(super) to_client: Traffic,
    /// How often it was given another backend.
    pub(super) moves: u32,
    started_at: Instant,
    _permit: FlowPermit,
}

impl Flow {
    /// A flow that begins now.
    pub(super) fn new(upstream: Upstream, header: Vec<u8>, permit: FlowPermit, now: Instant) -> Self {
        let (to_backend, to_client) = (Traffic::default(), Traffic::default());
        Self { upstream: Some(upstream), header, to_backend, to_client, moves: 0, started_at: now, _permit: permit }
    }

    /// What is known of it at its end.
    pub(super) fn record(&self, key: &FlowKey, end: FlowEnd, now: Instant) -> FlowRecord {
        FlowRecord {
            client: key.client,
            backend: self.upstream.as_ref().map(|upstream| upstream.backend().clone()),
            to_backend: self.to_backend,
            to_client: self.to_client,
            duration: now.saturating_duration_since(self.started_at),
            moves: self.moves,
            end,
        }
    }
}
