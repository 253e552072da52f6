//! One client's connection, in the state that says what it waits for.
//!
//! A thread keeps this on its stack: where it is in the code is what it waits for. A loop that serves ten thousand has to
//! write it down. What an idle connection needs stands here and is small; what a request needs besides is boxed, and
//! lent from the loop's spares for as long as the request lasts.

use std::{net::SocketAddr, time::Instant};

use advanced_features::{
    course::{Attempt, Course},
    group::InFlight,
    limit::queue::Place,
};
use common::http::{ClientAddress, Forwarding, Inbox, Patience, ProxyError, Relay};
use mio::event::Event;

use crate::{
    dial::Dial,
    socket::Socket,
    table::Key,
    token::{CLIENT, Number},
    upstreams::{Upstream, Upstreams},
};

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
        self.course.as_mut().expect("what was read as a request has been directed")
    }
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) key: Key,
    pub(crate) client: Socket,
    pub(crate) state: State,
    pub(crate) address: ClientAddress,
    pub(crate) inbox: Inbox,
    pub(crate) upstreams: Upstreams,
    /// Since when it is idle, or when the first byte of its request came.
    pub(crate) since: Instant,
    /// Which one it is of the process.
    pub(crate) serial: u32,
    /// How many requests it has sent.
    pub(crate) requests: u32,
    last_number: Number,
}

impl Connection {
    /// A client that has said nothing yet: `peer`, connected to `local`.
    pub(crate) fn new(
        key: Key,
        client: Socket,
        (peer, local): (SocketAddr, SocketAddr),
        forwarding: &Forwarding,
        serial: u32,
        now: Instant,
    ) -> Self {
        Self {
            key,
            client,
            state: State::Head,
            address: ClientAddress::new(peer.ip(), local, forwarding),
            inbox: Inbox::default(),
            upstreams: Upstreams::default(),
            since: now,
            serial,
            requests: 0,
            last_number: CLIENT,
        }
    }

    /// Takes note of an event of the socket with this number. Gives whether that may get the connection further.
    pub(crate) fn learn(&mut self, number: Number, event: &Event) -> bool {
        if number == CLIENT {
            self.client.learn(event);
            return true;
        }
        let under_way = match &mut self.state {
            State::Connecting(_, connecting) => connecting.dial.socket(number),
            State::Exchanging(request) | State::Pausing(request, _) => {
                let upstream = request.attempt.as_mut().map(|attempt| &mut attempt.socket);
                upstream.filter(|upstream| upstream.number == number).map(|upstream| &mut upstream.socket)
            }
            _ => None,
        };
        let Some(socket) = under_way else {
            self.upstreams.learn(number, event);
            return false;
        };
        socket.learn(event);
        true
    }

    /// A number that none of its sockets has had for 65,535 connects.
    pub(crate) fn next_number(&mut self) -> Number {
        self.last_number = self.last_number.checked_add(1).unwrap_or(CLIENT + 1);
        self.last_number
    }
}
