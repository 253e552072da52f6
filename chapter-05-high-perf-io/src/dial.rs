//! A connection to a backend in the making: a connect that does not wait, to one address after another.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
    vec,
};

use common::{
    http::{Kind, Phase, ProxyError, Side},
    net::connect_nonblocking,
};
use mio::{Registry, net::TcpStream};
use simple_proxy::connect::failure;

use crate::{
    socket::Socket,
    table::Key,
    token::{Number, Source},
    upstreams::Upstream,
};

/// The addresses of a backend, tried in order. Each gets an equal share of the time that is left, so that one that drops
/// packets does not cost the others their turn.
#[derive(Debug)]
pub(crate) struct Dial {
    left: vec::IntoIter<SocketAddr>,
    deadline: Instant,
    current: Option<Current>,
    last: ProxyError,
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
        let left = addresses.collect::<Vec<_>>().into_iter();
        Self { left, deadline, current: None, last: ProxyError::new(Kind::Connect, Side::Backend, Phase::Connect) }
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
                    Err(error) => self.last = failure(error),
                }
            }
            if self.last.side == Side::Internal {
                return Err(self.take_last());
            }
            let share = self.share(now);
            let Some(address) = self.left.next() else { return Err(self.take_last()) };
            match start(address, registry, key, number()) {
                Ok(upstream) => self.current = Some(Current { address, upstream, by: now + share }),
                Err(error) => self.last = failure(error),
            }
        }
    }

    fn share(&self, now: Instant) -> Duration {
        let addresses = u32::try_from(self.left.len()).unwrap_or(u32::MAX).max(1);
        self.deadline.saturating_duration_since(now) / addresses
    }

    fn take_last(&mut self) -> ProxyError {
        let spent = ProxyError::new(Kind::Connect, Side::Backend, Phase::Connect);
        std::mem::replace(&mut self.last, spent)
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
