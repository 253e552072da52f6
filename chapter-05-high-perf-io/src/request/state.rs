//! What a connection waits for, and what is kept of its request meanwhile.
//!
//! A thread keeps this on its stack: where it is in the code is what it waits for. A loop that serves ten thousand has to
//! write it down.

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
    /// Nothing, or a moment for descriptors: a backend is to be chosen.
    Choosing(Box<Request>),
    /// A slot of a backend, in its group's queue.
    Queued(Box<Request>, Box<QueueWait>),
    /// A connection to a backend.
    Connecting(Box<Request>, Box<PendingConnect>),
    /// Either end, for as long as the exchange lasts.
    Exchanging(Box<Request>),
    /// The end of a back-off before a retry.
    BackingOff(Box<Request>, Box<RetryWait>),
    /// The client, who is to take an answer of our own.
    SendingLocalReply(Box<Request>),
    /// The client's end of the stream, after its last answer.
    Lingering(Instant),
}
// ANCHOR_END: state

impl State {
    /// The request under way.
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

    /// The same, for good.
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

/// A place in a queue.
#[derive(Debug)]
pub(crate) struct QueueWait {
    pub(crate) ticket: QueueTicket,
    pub(crate) deadline: Instant,
}

/// A connect under way.
#[derive(Debug)]
pub(crate) struct PendingConnect {
    pub(crate) in_flight: InFlightGuard,
    pub(crate) connecting: Connecting,
}

/// A back-off.
#[derive(Debug)]
pub(crate) struct RetryWait {
    /// What the client is told if there is no retry.
    pub(crate) error: ProxyError,
    /// How often the budget has been asked.
    pub(crate) budget_checks: u32,
    pub(crate) deadline: Instant,
}

/// A request, from its head to its record.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) relay: Relay,
    pub(crate) exchange_timeouts: ExchangeTimeouts,
    /// None for what was no request.
    pub(crate) ctx: Option<RequestContext>,
    pub(crate) attempt: Option<Attempt<UpstreamConnection>>,
    /// When its first byte came.
    pub(crate) started_at: Option<Instant>,
    /// When the first byte of its answer came.
    pub(crate) first_byte_at: Option<Instant>,
    /// It had to wait for a descriptor, and will not do so again.
    pub(crate) waited_for_fd: bool,
}

impl Request {
    /// Its way through its group.
    pub(crate) fn ctx(&mut self) -> &mut RequestContext {
        self.ctx.as_mut().expect("every parsed request has been routed")
    }
}
