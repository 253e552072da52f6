//! One client's connection, in the state that says what it waits for.
//!
//! A thread keeps this on its stack: where it is in the code is what it waits for. A loop that serves ten thousand has to
//! write it down. What an idle connection needs stands here and is small; what a request needs besides is boxed, and
//! lent from the loop's spares for as long as the request lasts.

use crate::request::state::State;
use std::{net::SocketAddr, time::Instant};

use common::http::{ClientAddress, Forwarding, RequestBuffer};
use mio::event::Event;

use crate::{
    socket::Socket,
    upstream::per_client_pool::PerClientPool,
    worker::{
        slab::Key,
        token::{CLIENT_SOCKET, SocketId},
    },
};

/// A client's connection.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    pub(crate) key: Key,
    pub(crate) socket: Socket,
    pub(crate) state: State,
    pub(crate) client_address: ClientAddress,
    pub(crate) request_buffer: RequestBuffer,
    pub(crate) idle_pool: PerClientPool,
    /// Since when it is idle, or when the first byte of its request came.
    pub(crate) timeout_start: Instant,
    /// Which one it is of the process.
    pub(crate) connection_id: u32,
    /// How many requests it has sent.
    pub(crate) request_count: u32,
    last_socket_id: SocketId,
}

impl ClientConnection {
    /// A client that has said nothing yet: `peer`, connected to `local`.
    pub(crate) fn new(
        key: Key,
        socket: Socket,
        (peer, local): (SocketAddr, SocketAddr),
        forwarding: &Forwarding,
        connection_id: u32,
        now: Instant,
    ) -> Self {
        Self {
            key,
            socket,
            state: State::ReadingHead,
            client_address: ClientAddress::new(peer.ip(), local, forwarding),
            request_buffer: RequestBuffer::default(),
            idle_pool: PerClientPool::default(),
            timeout_start: now,
            connection_id,
            request_count: 0,
            last_socket_id: CLIENT_SOCKET,
        }
    }

    /// Takes note of an event of the socket with this number. Gives whether that may get the connection further.
    pub(crate) fn on_event(&mut self, number: SocketId, event: &Event) -> bool {
        if number == CLIENT_SOCKET {
            self.socket.update_readiness(event);
            return true;
        }
        let under_way = match &mut self.state {
            State::Connecting(_, connecting) => connecting.connecting.socket_mut(number),
            State::Exchanging(request) | State::BackingOff(request, _) => {
                let upstream = request.attempt.as_mut().map(|attempt| &mut attempt.connection);
                upstream.filter(|upstream| upstream.socket_id == number).map(|upstream| &mut upstream.socket)
            }
            _ => None,
        };
        let Some(socket) = under_way else {
            self.idle_pool.on_event(number, event);
            return false;
        };
        socket.update_readiness(event);
        true
    }

    /// A number that none of its sockets has had for 65,535 connects.
    pub(crate) fn next_socket_id(&mut self) -> SocketId {
        self.last_socket_id = self.last_socket_id.checked_add(1).unwrap_or(CLIENT_SOCKET + 1);
        self.last_socket_id
    }
}
