//! One client's connection.

use std::{net::SocketAddr, rc::Rc, task::Context, time::Instant};

use common::http::{ClientAddress, Inbox, Layer, ProxyError, Pumped, Relay, Wire, pump};
use tokio::net::TcpStream;

use crate::{timer::Alarm, wire::Polled, worker::context::Core};

/// What a connection keeps while it is idle: no buffer is among it.
#[derive(Debug)]
pub(crate) struct Client<L: Layer> {
    pub(crate) stream: TcpStream,
    /// Over the stream.
    pub(crate) layer: L,
    pub(crate) address: ClientAddress,
    pub(crate) inbox: Inbox,
    pub(crate) alarm: Alarm,
    /// Since when it is idle, or when the first byte of its request came.
    pub(crate) since: Instant,
    /// Which one it is of the process.
    pub(crate) serial: u32,
    /// How many requests it has sent.
    pub(crate) requests: u32,
    pub(crate) visit: Visit,
}

impl<L: Layer> Client<L> {
    /// A client that has said nothing yet: `peer`, connected to `local`.
    pub(crate) fn new(
        visit: Visit,
        layer: L,
        stream: TcpStream,
        peer: SocketAddr,
        local: SocketAddr,
        now: Instant,
    ) -> Self {
        let core = &visit.core;
        Self {
            stream,
            layer,
            address: ClientAddress::new(peer.ip(), local, core.balancer().forwarding()),
            inbox: Inbox::default(),
            alarm: Alarm::default(),
            since: now,
            serial: core.clients().per_worker.next_connection_id(),
            requests: 0,
            visit,
        }
    }

    /// Moves what can be moved between it and `upstream`.
    pub(crate) fn pump(
        &mut self,
        core: &Core,
        relay: &mut Relay,
        upstream: &mut TcpStream,
        context: &mut Context<'_>,
    ) -> Result<Pumped, ProxyError> {
        let mut far = Polled::new(upstream, context);
        pump(relay, &mut self.wire(context), &mut far, &mut core.scratch.borrow_mut())
    }

    /// The client as the machine knows it, for one poll.
    pub(crate) fn wire<'a, 'w: 'a>(&'a mut self, context: &Context<'w>) -> impl Wire + use<'a, 'w, L> {
        self.layer.over(Polled::new(&mut self.stream, context))
    }
}

/// A client's place, from the moment it is served until its task has ended, however that comes.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) core: Rc<Core>,
    pub(crate) task: usize,
}

impl Visit {
    /// Begins to serve a client that has its place and is counted.
    pub(crate) fn begin(core: &Rc<Core>) -> Self {
        core.balancer().totals().client_came();
        Self { core: Rc::clone(core), task: core.enlist() }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let core = &self.core;
        core.balancer().totals().client_left();
        core.clients().lose(core.place);
        core.discharge(self.task);
    }
}
