//! One client's connection, with the state that says what it waits for.
//!
//! What an idle connection needs is here and small. What a request needs in addition is boxed, and taken from the
//! worker's free list for as long as the request lasts.

use std::{net::SocketAddr, time::Instant};

use common::http::{ClientAddress, Forwarding, RequestBuffer};
use mio::event::Event;

use crate::{
    request::state::State,
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
    /// Since when it is idle, or when the first byte of its request arrived.
    pub(crate) timeout_start: Instant,
    /// Its id, unique in the process until it wraps.
    pub(crate) connection_id: u32,
    /// How many requests it has carried.
    pub(crate) request_count: u32,
    /// It has used up its turn, and is driven again when the others have had theirs.
    pub(crate) has_yielded: bool,
    last_socket_id: SocketId,
}

impl ClientConnection {
    /// A new connection of `peer` to `local`.
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
            has_yielded: false,
            last_socket_id: CLIENT_SOCKET,
        }
    }

    /// Records an event of the socket with this id. Returns whether the connection has to be driven.
    pub(crate) fn on_event(&mut self, socket_id: SocketId, event: &Event, now: Instant) -> bool {
        if socket_id == CLIENT_SOCKET {
            self.socket.update_readiness(event);
            return true;
        }
        let in_use = match &mut self.state {
            State::Connecting(_, connecting) => connecting.connecting.socket_mut(socket_id),
            State::Exchanging(request) | State::BackingOff(request, _) => {
                let upstream = request.attempt.as_mut().map(|attempt| &mut attempt.connection);
                upstream.filter(|upstream| upstream.socket_id == socket_id).map(|upstream| &mut upstream.socket)
            }
            _ => None,
        };
        let Some(socket) = in_use else {
            self.idle_pool.on_event(socket_id, event, now);
            return false;
        };
        socket.update_readiness(event);
        true
    }

    /// An id that none of its sockets has had for 65,535 connects.
    pub(crate) fn next_socket_id(&mut self) -> SocketId {
        self.last_socket_id = self.last_socket_id.checked_add(1).unwrap_or(CLIENT_SOCKET + 1);
        self.last_socket_id
    }
}
