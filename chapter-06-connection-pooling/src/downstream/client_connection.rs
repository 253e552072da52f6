//! One client's connection.

use std::{net::SocketAddr, rc::Rc, task::Context, time::Instant};

use common::http::{ClientAddress, ProxyError, Pumped, Relay, RequestBuffer, StreamLayer, Wire, pump};
use tokio::net::TcpStream;

use crate::{timer::LazyTimer, wire::PolledStream, worker::context::WorkerContext};

/// The state that a connection keeps while it is idle: it includes no buffer memory.
#[derive(Debug)]
pub(crate) struct ClientConnection<L: StreamLayer> {
    pub(crate) stream: TcpStream,
    /// The layer over the stream, such as TLS.
    pub(crate) stream_layer: L,
    pub(crate) client_address: ClientAddress,
    pub(crate) request_buffer: RequestBuffer,
    pub(crate) timer: LazyTimer,
    /// Since when it is idle, or when the first byte of its request arrived.
    pub(crate) timeout_start: Instant,
    /// Its id, unique in the process until it wraps.
    pub(crate) connection_id: u32,
    /// How many requests it has carried.
    pub(crate) request_count: u32,
    pub(crate) guard: ConnectionGuard,
}

impl<L: StreamLayer> ClientConnection<L> {
    /// A new connection of `peer` to `local`.
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

    /// Moves the bytes that can be moved between the client and `upstream` now.
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

    /// The client's socket with its layer, as a [`Wire`] for one poll.
    pub(crate) fn wire<'a, 'w: 'a>(&'a mut self, context: &Context<'w>) -> impl Wire + use<'a, 'w, L> {
        self.stream_layer.wrap(PolledStream::new(&mut self.stream, context))
    }
}

/// Counts a connection while it is served. Dropping the guard releases its slot, however the task ends.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    pub(crate) worker: Rc<WorkerContext>,
    pub(crate) task_id: usize,
}

impl ConnectionGuard {
    /// For a connection that the limiter and the worker's count already include.
    pub(crate) fn new(worker: &Rc<WorkerContext>) -> Self {
        worker.balancer().stats().connection_opened();
        Self { worker: Rc::clone(worker), task_id: worker.register() }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let worker = &self.worker;
        worker.balancer().stats().connection_closed();
        worker.handoff().connection_closed(worker.worker_id);
        worker.unregister(self.task_id);
    }
}
