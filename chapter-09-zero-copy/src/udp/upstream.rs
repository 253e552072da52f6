//! A flow's backend, and the socket to it.
//!
//! Each flow has a socket of its own, connected to the backend: so the kernel attributes each reply, and each ICMP
//! message, to the flow. That a backend does not listen is known from such a message only (`ECONNREFUSED`), after a
//! datagram was sent in vain; a backend that is gone with its machine says nothing.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use advanced_features::{
    Balancer,
    balance::{
        backend::{AttemptOutcome, Backend, BackendState},
        group::InFlightGuard,
    },
    request::context::{Dispatch, RequestContext},
};
use common::{
    http::{BackendId, FailureKind, ProxyError, Side},
    net::connect_error,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{drop_reason::DropReason, record::exchange, stats::Traffic};

/// An ICMP message comes within a round trip. A backend from which none has come for this long has taken the datagram,
/// even if it never replies.
const CONFIRM_AFTER: Duration = Duration::from_secs(1);

/// The addresses from which backends have replied, for those whose name has several: the first datagram of a flow to
/// another one would be lost.
pub(super) type ReachedAddresses = HashMap<BackendId, SocketAddr>;

/// A flow's backend, and the socket to it.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) socket: UdpSocket,
    /// Further addresses of the backend's name, for the case that this one is unreachable.
    untried: Vec<SocketAddr>,
    in_flight: InFlightGuard,
    ctx: RequestContext,
    /// The version of the group's state in which the backend could be picked.
    version: u64,
    opened_at: Instant,
    /// Whether the backend has replied, or could have said that it does not listen.
    is_confirmed: bool,
}

impl Upstream {
    /// Picks a backend for a flow of `client`, and opens a socket to it.
    ///
    /// # Errors
    /// Why the datagram is dropped.
    pub(super) fn open(
        balancer: &Balancer,
        client: IpAddr,
        reached: &ReachedAddresses,
        now: Instant,
    ) -> Result<Self, DropReason> {
        let mut ctx = RequestContext::new(balancer.route_connection(None, client));
        balancer.admit(&mut ctx, now).map_err(|_| DropReason::NoBackend)?;
        // Read before the choice: a change in between is noticed with the next datagram.
        let version = ctx.group.change_notifier().version();
        loop {
            let in_flight = match ctx.choose(now) {
                Ok(Dispatch::Backend(in_flight)) => in_flight,
                // A queue of datagrams would be full of those that nobody waits for any more.
                Ok(Dispatch::Queue) => return Err(DropReason::BackendLimit),
                Err(_) => return Err(give_up(&mut ctx, now)),
            };
            let backend = Arc::clone(in_flight.backend());
            let mut untried = backend.addresses().all().to_vec();
            if let Some(known) = reached.get(&backend.id()) {
                untried.sort_by_key(|address| address != known);
            }
            match connect_first(&mut untried) {
                Ok(socket) => {
                    backend.totals.count_request();
                    let is_confirmed = false;
                    return Ok(Self { socket, untried, in_flight, ctx, version, opened_at: now, is_confirmed });
                }
                Err(error) if error.kind == FailureKind::ResourceExhausted => return Err(DropReason::NoSocket),
                Err(error) => {
                    balancer.record_connect(&backend, Some(&error), now);
                    ctx.exclude_backend(&backend, error);
                }
            }
        }
    }

    pub(super) fn backend(&self) -> &Arc<Backend> {
        self.in_flight.backend()
    }

    // ANCHOR: is_usable
    /// Whether the flow may stay with its backend. Costs two loads, as long as nothing changes in the group.
    pub(super) fn is_usable(&mut self, now: Instant) -> bool {
        let version = self.ctx.group.change_notifier().version();
        if version == self.version {
            return true;
        }
        self.version = version;
        let backend = self.in_flight.backend();
        let is_member = || self.ctx.group.members().iter().any(|member| member.id() == backend.id());
        match backend.state(now) {
            BackendState::Up | BackendState::HalfOpen | BackendState::Draining => is_member(),
            // Then the health status is ignored, and moving the flow would be no better.
            BackendState::Down | BackendState::Ejected { .. } => self.ctx.group.is_in_panic(now) && is_member(),
            BackendState::ConnectFailed { .. } => false,
        }
    }
    // ANCHOR_END: is_usable

    /// The backend has replied: it is up, and this quick.
    pub(super) fn on_reply(&mut self, balancer: &Balancer, reached: &mut ReachedAddresses, now: Instant) {
        if self.is_confirmed {
            return;
        }
        let latency = now.saturating_duration_since(self.opened_at);
        // For the algorithms that choose by response time.
        self.backend().record_attempt(AttemptOutcome::Response { status: 200, latency }, now);
        if self.backend().addresses().all().len() > 1
            && let Ok(address) = self.socket.peer_addr()
        {
            reached.insert(self.backend().id(), address);
        }
        self.confirm(balancer, now);
    }

    /// A while has passed without an ICMP message. Call it when a datagram is sent, and at the end.
    pub(super) fn confirm_if_silent(&mut self, balancer: &Balancer, now: Instant) {
        if !self.is_confirmed && now.saturating_duration_since(self.opened_at) >= CONFIRM_AFTER {
            self.confirm(balancer, now);
        }
    }

    fn confirm(&mut self, balancer: &Balancer, now: Instant) {
        self.is_confirmed = true;
        self.untried = Vec::new();
        balancer.record_connect(self.backend(), None, now);
    }

    /// The backend is unreachable at this address. Returns the same with its next address, if there is one; otherwise
    /// the backend is marked down.
    pub(super) fn on_unreachable(mut self, balancer: &Balancer, error: io::Error, now: Instant) -> Option<Self> {
        if let Ok(socket) = connect_first(&mut self.untried) {
            return Some(Self { socket, ..self });
        }
        let error = connect_error(error);
        if error.side == Side::Backend {
            balancer.record_connect(self.backend(), Some(&error), now);
        }
        let backend = Arc::clone(self.backend());
        self.ctx.exclude_backend(&backend, error);
        self.finish(Traffic::default(), now);
        None
    }

    /// The flow has ended, or goes to another backend. `replies`: what the client got.
    pub(super) fn finish(mut self, replies: Traffic, now: Instant) {
        let mut exchange = exchange(self.ctx.has_tried(), Traffic::default(), replies);
        self.ctx.finish(&mut exchange, now);
    }
}

/// No backend could be connected to, or none may be picked.
fn give_up(ctx: &mut RequestContext, now: Instant) -> DropReason {
    let mut exchange = exchange(ctx.has_tried(), Traffic::default(), Traffic::default());
    ctx.finish(&mut exchange, now);
    DropReason::NoBackend
}

/// Opens a socket to the first of the addresses that has a route; takes it and those before it from the list.
fn connect_first(addresses: &mut Vec<SocketAddr>) -> Result<UdpSocket, ProxyError> {
    let mut failed = connect_error(io::ErrorKind::AddrNotAvailable.into());
    while !addresses.is_empty() {
        match connect(addresses.remove(0)) {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = connect_error(error),
        }
    }
    Err(failed)
}

fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}
