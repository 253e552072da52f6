//! What is known of a request when it has ended.

use std::{net::IpAddr, time::Instant};

use common::http::Exchange;

use crate::worker::stats::ClientBytes;

/// A request that has ended: its record, and what is known besides. The borrowed record is not copied for filters that
/// look at a part of it.
#[derive(Debug, Clone, Copy)]
pub struct EndedRequest<'a> {
    /// Its record.
    pub exchange: &'a Exchange,
    /// The address of its client's socket.
    pub peer: IpAddr,
    /// When its first byte arrived.
    pub started_at: Instant,
    /// The bytes of this request and its response on the client's connection, heads and framing included. Those of an
    /// invalid head are not counted.
    pub client_bytes: ClientBytes,
}
