//! What a connection waits for, and what is kept of its request meanwhile.
//!
//! A thread keeps this on its stack: where it is in the code is what it waits for. A loop that serves ten thousand has to
//! write it down.

use std::time::Instant;

use advanced_features::{
    balance::group::InFlight,
    limit::queue::Place,
    request::{attempt::Attempt, context::Course},
};
use common::http::{Patience, ProxyError, Relay};

use crate::upstream::{connect::Dial, per_client_pool::Upstream};

// ANCHOR: state
/// What a connection waits for.
#[derive(Debug)]
pub(crate) enum State {
    /// A request, or the rest of its head.
    Head,
    /// Nothing, or a moment for descriptors: a backend is to be chosen.
    Choosing(Box<Request>),
    /// A slot of a backend, in its group's queue.
    Queued(Box<Request>, Box<Queued>),
    /// A connection to a backend.
    Connecting(Box<Request>, Box<Connecting>),
    /// Either end, for as long as the exchange lasts.
    Exchanging(Box<Request>),
    /// The end of a back-off before a retry.
    Pausing(Box<Request>, Box<Pausing>),
    /// The client, who is to take an answer of our own.
    Answering(Box<Request>),
    /// The client's end of the stream, after its last answer.
    Lingering(Instant),
}
// ANCHOR_END: state

impl State {
    /// The request under way.
    pub(crate) fn request(&mut self) -> Option<&mut Request> {
        match self {
            Self::Head | Self::Lingering(_) => None,
            Self::Choosing(request)
            | Self::Queued(request, _)
            | Self::Connecting(request, _)
            | Self::Exchanging(request)
            | Self::Pausing(request, _)
            | Self::Answering(request) => Some(request),
        }
    }

    /// The same, for good.
    pub(crate) fn into_request(self) -> Option<Box<Request>> {
        match self {
            Self::Head | Self::Lingering(_) => None,
            Self::Choosing(request)
            | Self::Queued(request, _)
            | Self::Connecting(request, _)
            | Self::Exchanging(request)
            | Self::Pausing(request, _)
            | Self::Answering(request) => Some(request),
        }
    }
}

/// A place in a queue.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) place: Place,
    pub(crate) by: Instant,
}

/// A connect under way.
#[derive(Debug)]
pub(crate) struct Connecting {
    pub(crate) taken: InFlight,
    pub(crate) dial: Dial,
}

/// A back-off.
#[derive(Debug)]
pub(crate) struct Pausing {
    /// What the client is told if there is no retry.
    pub(crate) error: ProxyError,
    /// How often the budget has been asked.
    pub(crate) tries: u32,
    pub(crate) until: Instant,
}

/// A request, from its head to its record.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) relay: Relay,
    pub(crate) patience: Patience,
    /// None for what was no request.
    pub(crate) course: Option<Course>,
    pub(crate) attempt: Option<Attempt<Upstream>>,
    /// When its first byte came.
    pub(crate) started: Option<Instant>,
    /// When the first byte of its answer came.
    pub(crate) first_byte: Option<Instant>,
    /// It had to wait for a descriptor, and will not do so again.
    pub(crate) was_short: bool,
}

impl Request {
    /// Its way through its group.
    pub(crate) fn course(&mut self) -> &mut Course {
        self.course.as_mut().expect("every parsed request has been routed")
    }
}
