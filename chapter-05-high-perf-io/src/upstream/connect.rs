//! A non-blocking connect to a backend, which tries several addresses side by side.

use std::{io, net::SocketAddr, time::Instant};

use common::{
    http::ProxyError,
    net::{ConnectPlan, ConnectStep, connect_nonblocking},
};
use mio::{Registry, net::TcpStream};

use super::per_client_pool::UpstreamConnection;
use crate::{
    socket::Socket,
    worker::{
        slab::Key,
        token::{EventSource, SocketId},
    },
};

/// A connect in progress. The plan says which address to try when.
#[derive(Debug)]
pub(crate) struct Connecting {
    plan: ConnectPlan<UpstreamConnection>,
}

/// How far a connect has got.
#[derive(Debug)]
pub(crate) enum ConnectProgress {
    /// The connection is established.
    Connected(UpstreamConnection),
    /// TCP handshakes are in progress; continue at this time if none has ended.
    Pending(Instant),
}

impl Connecting {
    pub(crate) fn new(plan: ConnectPlan<UpstreamConnection>) -> Self {
        Self { plan }
    }

    /// The connecting socket with this id.
    pub(crate) fn socket_mut(&mut self, socket_id: SocketId) -> Option<&mut Socket> {
        let mut upstreams = self.plan.pending_mut().iter_mut().map(|attempt| &mut attempt.socket);
        upstreams.find(|upstream| upstream.socket_id == socket_id).map(|upstream| &mut upstream.socket)
    }

    /// Advances as far as it can without blocking. A new socket is registered for the connection `key`, with an id from
    /// `next_socket_id`.
    ///
    /// # Errors
    /// No address accepted the connection, or this process can open no more sockets.
    pub(crate) fn advance(
        &mut self,
        now: Instant,
        registry: &Registry,
        key: Key,
        mut next_socket_id: impl FnMut() -> SocketId,
    ) -> Result<ConnectProgress, ProxyError> {
        loop {
            while let Some(ended) =
                self.plan.pending().iter().position(|attempt| attempt.socket.socket.is_connect_done())
            {
                let attempt = &self.plan.pending()[ended];
                match attempt.socket.socket.connect_result(attempt.address) {
                    Ok(()) => return Ok(ConnectProgress::Connected(self.plan.succeed(ended, now).socket)),
                    Err(error) => self.plan.fail(ended, error, now),
                }
            }
            match self.plan.next_step(now) {
                ConnectStep::Start(address) => match start_connect(address, registry, key, next_socket_id()) {
                    Ok(upstream) => self.plan.started(upstream),
                    Err(error) => self.plan.start_failed(error),
                },
                ConnectStep::Wait(until) => return Ok(ConnectProgress::Pending(until)),
                ConnectStep::Failed(error) => return Err(error),
            }
        }
    }
}

fn start_connect(
    address: SocketAddr,
    registry: &Registry,
    key: Key,
    socket_id: SocketId,
) -> io::Result<UpstreamConnection> {
    let stream = connect_nonblocking(address)?;
    let token = EventSource::Connection(key, socket_id).token();
    // Established at once or later: the first event reports it.
    let socket = Socket::register(TcpStream::from_std(stream), registry, token)?;
    Ok(UpstreamConnection { socket_id, socket })
}
