//! One client's connection, in the state that says what it waits for.
//!
//! A thread keeps this on its stack: where it is in the code is what it waits for. A loop that serves ten thousand has to
//! write it down. What an idle connection needs stands here and is small; what a request needs besides is boxed, and
//! lent from the loop's spares for as long as the request lasts.

use crate::request::state::State;
use std::{net::SocketAddr, time::Instant};

use common::http::{ClientAddress, Forwarding, Inbox};
use mio::event::Event;

use crate::{
    socket::Socket,
    upstream::per_client_pool::Upstreams,
    worker::{
        slab::Key,
        token::{CLIENT, Number},
    },
};

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
