//! A connection to a backend in the making: a connect that does not wait, to one address after another.

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

/// A connect under way, to one address of a backend after another.
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

/// How far a dial has come.
#[derive(Debug)]
pub(crate) enum ConnectProgress {
    /// The connection stands.
    Connected(UpstreamConnection),
    /// A handshake is under way; it has until then.
    Pending(Instant),
}

impl Connecting {
    /// A dial of `addresses` that ends at `deadline`.
    pub(crate) fn new(addresses: impl Iterator<Item = SocketAddr>, deadline: Instant) -> Self {
        let addresses = addresses.collect::<Vec<_>>().into_iter();
        Self { plan: ConnectPlan::new(addresses, deadline), handshake: None }
    }

    /// The socket under way, if it has this number.
    pub(crate) fn socket_mut(&mut self, number: SocketId) -> Option<&mut Socket> {
        let upstream = self.handshake.as_mut().map(|current| &mut current.upstream);
        upstream.filter(|upstream| upstream.socket_id == number).map(|upstream| &mut upstream.socket)
    }

    /// Goes as far as it can without waiting. A new socket is registered for the connection `key`, under the number that
    /// `number` gives.
    ///
    /// # Errors
    /// No address has answered, or this process can open no more sockets.
    pub(crate) fn advance(
        &mut self,
        now: Instant,
        registry: &Registry,
        key: Key,
        mut number: impl FnMut() -> SocketId,
    ) -> Result<ConnectProgress, ProxyError> {
        loop {
            if let Some(current) = self.handshake.take() {
                if !current.upstream.socket.is_connect_done() && now < current.deadline {
                    let by = current.deadline;
                    self.handshake = Some(current);
                    return Ok(ConnectProgress::Pending(by));
                }
                match current.finish() {
                    Ok(upstream) => return Ok(ConnectProgress::Connected(upstream)),
                    Err(error) => self.plan.failed(error),
                }
            }
            let Some((address, deadline)) = self.plan.next_address(now) else { return Err(self.plan.take_error()) };
            match start_connect(address, registry, key, number()) {
                Ok(upstream) => self.handshake = Some(Handshake { address, upstream, deadline }),
                Err(error) => self.plan.failed(error),
            }
        }
    }
}

impl Handshake {
    /// How the handshake ended, or that its time is over.
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
    // Whether it stands at once or later: the first event says so.
    let socket = Socket::register(TcpStream::from_std(stream), registry, token)?;
    Ok(UpstreamConnection { socket_id, socket })
}
