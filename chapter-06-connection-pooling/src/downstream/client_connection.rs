//! One client's connection.

use std::{net::SocketAddr, rc::Rc, task::Context, time::Instant};

use common::http::{ClientAddress, ProxyError, Pumped, Relay, RequestBuffer, StreamLayer, Wire, pump};
use tokio::net::TcpStream;

use crate::{timer::LazyTimer, wire::PolledStream, worker::context::WorkerContext};

/// What a connection keeps while it is idle: no buffer is among it.
#[derive(Debug)]
pub(crate) struct ClientConnection<L: StreamLayer> {
    pub(crate) stream: TcpStream,
    /// Over the stream.
    pub(crate) stream_layer: L,
    pub(crate) client_address: ClientAddress,
    pub(crate) request_buffer: RequestBuffer,
    pub(crate) timer: LazyTimer,
    /// Since when it is idle, or when the first byte of its request came.
    pub(crate) timeout_start: Instant,
    /// Which one it is of the process.
    pub(crate) connection_id: u32,
    /// How many requests it has sent.
    pub(crate) request_count: u32,
    pub(crate) guard: ConnectionGuard,
}

impl<L: StreamLayer> ClientConnection<L> {
    /// A client that has said nothing yet: `peer`, connected to `local`.
    pub(crate) fn new(
        guard: ConnectionGuard,
        stream_layer: L,
        stream: TcpStream,
        peer: SocketAddr,
        local: SocketAddr,
        now: Instant,
    ) -> Self {
        let worker = &guard.worker;
        Self {
            stream,
            stream_layer,
            client_address: ClientAddress::new(peer.ip(), local, worker.balancer().forwarding()),
            request_buffer: RequestBuffer::default(),
            timer: LazyTimer::default(),
            timeout_start: now,
            connection_id: worker.handoff().per_worker.next_connection_id(),
            request_count: 0,
            guard,
        }
    }

    /// Moves what can be moved between it and `upstream`.
    pub(crate) fn pump(
        &mut self,
        worker: &WorkerContext,
        relay: &mut Relay,
        upstream: &mut TcpStream,
        context: &mut Context<'_>,
    ) -> Result<Pumped, ProxyError> {
        let mut upstream_wire = PolledStream::new(upstream, context);
        pump(relay, &mut self.wire(context), &mut upstream_wire, &mut worker.scratch.borrow_mut())
    }

    /// The client as the machine knows it, for one poll.
    pub(crate) fn wire<'a, 'w: 'a>(&'a mut self, context: &Context<'w>) -> impl Wire + use<'a, 'w, L> {
        self.stream_layer.wrap(PolledStream::new(&mut self.stream, context))
    }
}

/// A client's place, from the moment it is served until its task has ended, however that comes.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    pub(crate) worker: Rc<WorkerContext>,
    pub(crate) task_id: usize,
}

impl ConnectionGuard {
    /// Begins to serve a client that has its place and is counted.
    pub(crate) fn new(worker: &Rc<WorkerContext>) -> Self {
        worker.balancer().totals().connection_opened();
        Self { worker: Rc::clone(worker), task_id: worker.register() }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let worker = &self.worker;
        worker.balancer().totals().connection_closed();
        worker.handoff().connection_closed(worker.worker_id);
        worker.unregister(self.task_id);
    }
}
