//! A connection to a backend in the making: a connect that does not wait, to one address after another.

use std::{io, net::SocketAddr, time::Instant, vec};

use common::{
    http::ProxyError,
    net::{ConnectPlan, connect_nonblocking},
};
use mio::{Registry, net::TcpStream};

use super::per_client_pool::Upstream;
use crate::{
    socket::Socket,
    worker::{
        slab::Key,
        token::{Number, Source},
    },
};

/// A connect under way, to one address of a backend after another.
#[derive(Debug)]
pub(crate) struct Dial {
    plan: ConnectPlan<vec::IntoIter<SocketAddr>>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    address: SocketAddr,
    upstream: Upstream,
    by: Instant,
}

/// How far a dial has come.
#[derive(Debug)]
pub(crate) enum Dialled {
    /// The connection stands.
    Connected(Upstream),
    /// A handshake is under way; it has until then.
    Wait(Instant),
}

impl Dial {
    /// A dial of `addresses` that ends at `deadline`.
    pub(crate) fn new(addresses: impl Iterator<Item = SocketAddr>, deadline: Instant) -> Self {
        let addresses = addresses.collect::<Vec<_>>().into_iter();
        Self { plan: ConnectPlan::new(addresses, deadline), current: None }
    }

    /// The socket under way, if it has this number.
    pub(crate) fn socket(&mut self, number: Number) -> Option<&mut Socket> {
        let upstream = self.current.as_mut().map(|current| &mut current.upstream);
        upstream.filter(|upstream| upstream.number == number).map(|upstream| &mut upstream.socket)
    }

    /// Goes as far as it can without waiting. A new socket is registered for the connection `key`, under the number that
    /// `number` gives.
    ///
    /// # Errors
    /// No address has answered, or this process can open no more sockets.
    pub(crate) fn go_on(
        &mut self,
        now: Instant,
        registry: &Registry,
        key: Key,
        mut number: impl FnMut() -> Number,
    ) -> Result<Dialled, ProxyError> {
        loop {
            if let Some(current) = self.current.take() {
                if !current.upstream.socket.has_connected() && now < current.by {
                    let by = current.by;
                    self.current = Some(current);
                    return Ok(Dialled::Wait(by));
                }
                match current.end() {
                    Ok(upstream) => return Ok(Dialled::Connected(upstream)),
                    Err(error) => self.plan.failed(error),
                }
            }
            let Some((address, by)) = self.plan.next_address(now) else { return Err(self.plan.take_error()) };
            match start(address, registry, key, number()) {
                Ok(upstream) => self.current = Some(Current { address, upstream, by }),
                Err(error) => self.plan.failed(error),
            }
        }
    }
}

impl Current {
    /// How the handshake ended, or that its time is over.
    fn end(self) -> io::Result<Upstream> {
        if !self.upstream.socket.has_connected() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.upstream.socket.outcome(self.address)?;
        Ok(self.upstream)
    }
}

fn start(address: SocketAddr, registry: &Registry, key: Key, number: Number) -> io::Result<Upstream> {
    let (stream, _) = connect_nonblocking(address)?;
    let token = Source::Connection(key, number).token();
    // Whether it stands at once or later: the first event says so.
    let socket = Socket::watch(TcpStream::from_std(stream), registry, token)?;
    Ok(Upstream { number, socket })
}
