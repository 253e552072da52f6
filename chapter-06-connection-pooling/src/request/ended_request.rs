//! What is known of a request when it has ended.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use common::http::Exchange;

use crate::worker::stats::ClientBytes;

/// A request that has ended: its record, and what is known besides. The borrowed record is not copied for filters that
/// look at a part of it.
#[derive(Debug, Clone, Copy)]
pub struct EndedRequest<'a> {
    /// Its record.
    pub exchange: &'a Exchange,
    /// The address of its client's socket, or the one that the connection's prelude has named.
    pub peer: IpAddr,
    /// When its first byte arrived.
    pub started_at: Instant,
    /// The bytes of this request and its response on the client's connection, heads and framing included. Those of an
    /// invalid head are not counted.
    pub client_bytes: ClientBytes,
    /// The balancer's own time: how long its worker computed, from the poll in which the head was complete until the
    /// request had its last connection to a backend. Time in the queue, in connects, in the exchange of a failed
    /// attempt and in the back-off before a retry is not part of it. `None` if it had no connection, or is none of
    /// those that are measured: see [`OWN_TIME_SAMPLE`](crate::WorkerFilter::OWN_TIME_SAMPLE).
    pub own_time: Option<Duration>,
}
