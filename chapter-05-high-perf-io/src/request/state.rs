//! The state of a connection: what it waits for, and the request that it serves.
//!
//! A thread keeps this on its stack: its position in the code says what it waits for. A loop that serves ten thousand
//! connections has to store it.

use std::time::Instant;

use advanced_features::{
    balance::group::InFlightGuard,
    limit::queue::QueueTicket,
    request::{attempt::Attempt, context::RequestContext},
};
use common::http::{ExchangeTimeouts, ProxyError, Relay};

use crate::upstream::{connect::Connecting, per_client_pool::UpstreamConnection};

// ANCHOR: state
/// What a connection waits for.
#[derive(Debug)]
pub(crate) enum State {
    /// A request, or the rest of its head.
    ReadingHead,
    /// The choice of a backend, perhaps after a short wait for descriptors.
    Choosing(Box<Request>),
    /// A slot of a backend, in its group's queue.
    Queued(Box<Request>, Box<QueueWait>),
    /// A connection to a backend.
    Connecting(Box<Request>, Box<ConnectWait>),
    /// The client or the backend, while the exchange lasts.
    Exchanging(Box<Request>),
    /// The end of a back-off before a retry.
    BackingOff(Box<Request>, Box<RetryWait>),
    /// The client, which has to read a local reply.
    SendingLocalReply(Box<Request>),
    /// The client's FIN, after its last response.
    Lingering(Instant),
}
// ANCHOR_END: state

impl State {
    /// The request in flight, if there is one.
    pub(crate) fn request_mut(&mut self) -> Option<&mut Request> {
        match self {
            Self::ReadingHead | Self::Lingering(_) => None,
            Self::Choosing(request)
            | Self::Queued(request, _)
            | Self::Connecting(request, _)
            | Self::Exchanging(request)
            | Self::BackingOff(request, _)
            | Self::SendingLocalReply(request) => Some(request),
        }
    }

    /// As [`request_mut`](Self::request_mut), by value.
    pub(crate) fn into_request(self) -> Option<Box<Request>> {
        match self {
            Self::ReadingHead | Self::Lingering(_) => None,
            Self::Choosing(request)
            | Self::Queued(request, _)
            | Self::Connecting(request, _)
            | Self::Exchanging(request)
            | Self::BackingOff(request, _)
            | Self::SendingLocalReply(request) => Some(request),
        }
    }
}

/// A wait in the group's queue.
#[derive(Debug)]
pub(crate) struct QueueWait {
    pub(crate) ticket: QueueTicket,
    pub(crate) deadline: Instant,
}

/// A connect in progress.
#[derive(Debug)]
pub(crate) struct ConnectWait {
    pub(crate) in_flight: InFlightGuard,
    pub(crate) connecting: Connecting,
}

/// A back-off before a retry.
#[derive(Debug)]
pub(crate) struct RetryWait {
    /// The error that the client gets if there is no retry.
    pub(crate) error: ProxyError,
    /// How often the retry budget has been checked.
    pub(crate) budget_checks: u32,
    pub(crate) deadline: Instant,
}

/// A request, from its head to its record.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) relay: Relay,
    pub(crate) exchange_timeouts: ExchangeTimeouts,
    /// `None` for an invalid request.
    pub(crate) ctx: Option<RequestContext>,
    pub(crate) attempt: Option<Attempt<UpstreamConnection>>,
    /// When its first byte arrived.
    pub(crate) started_at: Option<Instant>,
    /// When the first byte of its response arrived.
    pub(crate) first_byte_at: Option<Instant>,
    /// Until when it waits for a descriptor; `None` if it has not had to.
    pub(crate) fd_wait_ends: Option<Instant>,
}

impl Request {
    /// Its routing and balancing context.
    pub(crate) fn ctx(&mut self) -> &mut RequestContext {
        self.ctx.as_mut().expect("every parsed request has been routed")
    }
}
