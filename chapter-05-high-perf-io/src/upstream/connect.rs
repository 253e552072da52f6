//! A non-blocking connect to a backend, which tries one address after another.

use std::{io, net::SocketAddr, time::Instant, vec};

use common::{
    http::ProxyError,
    net::{ConnectPlan, connect_nonblocking},
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

/// A connect in progress. It tries a backend's addresses one after another.
#[derive(Debug)]
pub(crate) struct Connecting {
    plan: ConnectPlan<vec::IntoIter<SocketAddr>>,
    handshake: Option<Handshake>,
}

#[derive(Debug)]
struct Handshake {
    address: SocketAddr,
    upstream: UpstreamConnection,
    deadline: Instant,
}

/// How far a connect has got.
#[derive(Debug)]
pub(crate) enum ConnectProgress {
    /// The connection is established.
    Connected(UpstreamConnection),
    /// A TCP handshake is in progress, and has this deadline.
    Pending(Instant),
}

impl Connecting {
    /// A connect to one of `addresses` that fails at `deadline`.
    pub(crate) fn new(addresses: impl Iterator<Item = SocketAddr>, deadline: Instant) -> Self {
        let addresses = addresses.collect::<Vec<_>>().into_iter();
        Self { plan: ConnectPlan::new(addresses, deadline), handshake: None }
    }

    /// The connecting socket, if it has this id.
    pub(crate) fn socket_mut(&mut self, socket_id: SocketId) -> Option<&mut Socket> {
        let upstream = self.handshake.as_mut().map(|current| &mut current.upstream);
        upstream.filter(|upstream| upstream.socket_id == socket_id).map(|upstream| &mut upstream.socket)
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
            if let Some(current) = self.handshake.take() {
                if !current.upstream.socket.is_connect_done() && now < current.deadline {
                    let deadline = current.deadline;
                    self.handshake = Some(current);
                    return Ok(ConnectProgress::Pending(deadline));
                }
                match current.finish() {
                    Ok(upstream) => return Ok(ConnectProgress::Connected(upstream)),
                    Err(error) => self.plan.record_failure(error),
                }
            }
            let Some((address, deadline)) = self.plan.next_address(now) else { return Err(self.plan.take_error()) };
            match start_connect(address, registry, key, next_socket_id()) {
                Ok(upstream) => self.handshake = Some(Handshake { address, upstream, deadline }),
                Err(error) => self.plan.record_failure(error),
            }
        }
    }
}

impl Handshake {
    /// The connection, if the handshake succeeded; a timeout, if it has not ended.
    fn finish(self) -> io::Result<UpstreamConnection> {
        if !self.upstream.socket.is_connect_done() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.upstream.socket.connect_result(self.address)?;
        Ok(self.upstream)
    }
}

fn start_connect(
    address: SocketAddr,
    registry: &Registry,
    key: Key,
    socket_id: SocketId,
) -> io::Result<UpstreamConnection> {
    let (stream, _) = connect_nonblocking(address)?;
    let token = EventSource::Connection(key, socket_id).token();
    // Established at once or later: the first event reports it.
    let socket = Socket::register(TcpStream::from_std(stream), registry, token)?;
    Ok(UpstreamConnection { socket_id, socket })
}
