//! One client's connection.

use std::{io, net::IpAddr, task::Context, time::Instant};

use common::http::{
    ClientAddress, ConnectionThrottle, Direction, RequestBuffer, StreamLayer as _, ThrottledWire, Wire,
};
use tokio::net::TcpStream;

use crate::{
    accept_prelude::ConnectionInfo,
    engine::Engine,
    filter::{ConnectionRefused, Filter as _},
    splice::WorkerSplice as _,
    timer::LazyTimer,
    wire::PolledStream,
    worker::{
        context::WorkerContext,
        service::{Connection, ConnectionGuard},
        stats::{ClientBytes, CountedWire},
    },
};

/// The state that a connection keeps while it is idle: it includes no buffer memory.
#[derive(Debug)]
pub(crate) struct ClientConnection<E: Engine> {
    pub(crate) stream: TcpStream,
    /// The layer over the stream, such as TLS.
    pub(crate) stream_layer: E::StreamLayer,
    /// What limits its bandwidth. Above the layer: TLS records count as the bytes that they carry.
    pub(crate) throttle: Option<Box<ConnectionThrottle>>,
    pub(crate) client_address: ClientAddress,
    pub(crate) request_buffer: RequestBuffer,
    pub(crate) timer: LazyTimer,
    /// Since when it is idle, or when the first byte of its request arrived.
    pub(crate) timeout_start: Instant,
    /// Its id, unique in the process until it wraps.
    pub(crate) connection_id: u32,
    /// How many requests it has carried.
    pub(crate) request_count: u32,
    pub(crate) guard: ConnectionGuard<WorkerContext<E>>,
}

impl<E: Engine> ClientConnection<E> {
    /// A connection that has just been accepted.
    pub(crate) fn new(connection: Connection<WorkerContext<E>>, now: Instant) -> Self {
        let Connection { stream, peer, local, guard } = connection;
        let worker = &guard.service;
        Self {
            stream,
            stream_layer: worker.new_stream_layer(),
            // With a prelude, once the client is known.
            throttle: if worker.expects_prelude(peer.ip()) { None } else { throttle(worker, peer.ip(), now) },
            client_address: ClientAddress::new(peer.ip(), local, worker.balancer().forwarding()),
            request_buffer: RequestBuffer::default(),
            timer: LazyTimer::default(),
            timeout_start: now,
            connection_id: worker.next_connection_id(),
            request_count: 0,
            guard,
        }
    }

    /// Sets the client that the prelude has named, and the bytes that were read with it. The filter decides now whether
    /// the connection is let in.
    ///
    /// # Errors
    /// The filter refuses it.
    pub(crate) fn identify(&mut self, info: ConnectionInfo, now: Instant) -> Result<(), ConnectionRefused> {
        let ConnectionInfo { client, local, received } = info;
        let worker = &self.guard.service;
        let permit = worker.server.filter.on_connection(client.ip())?;
        self.throttle = throttle(worker, client.ip(), now);
        self.client_address = ClientAddress::new(client.ip(), local, worker.balancer().forwarding());
        worker.stats().count_bytes(ClientBytes { received: received.len() as u64, sent: 0 });
        self.guard.set_permit(permit);
        self.request_buffer.push_pipelined(received);
        self.timeout_start = now;
        Ok(())
    }

    /// The client's socket with its layer, as a [`Wire`] for one poll.
    pub(crate) fn wire<'a, 'w: 'a>(&'a mut self, context: &Context<'w>) -> impl Wire + use<'a, 'w, E> {
        let wire = self.stream_layer.wrap(PolledStream::new(&mut self.stream, context));
        CountedWire::new(wire, self.guard.service.stats())
    }

    /// The same, and the throttle that limits it.
    pub(crate) fn wire_and_throttle<'a, 'w: 'a>(
        &'a mut self,
        context: &Context<'w>,
    ) -> (impl Wire + use<'a, 'w, E>, Option<&'a mut ConnectionThrottle>) {
        let wire = self.stream_layer.wrap(PolledStream::new(&mut self.stream, context));
        let wire = CountedWire::new(wire, self.guard.service.stats());
        (wire, self.throttle.as_deref_mut())
    }

    /// From which size on its bodies are spliced: not if they are encrypted, or their bandwidth is limited.
    #[inline]
    pub(crate) fn splice_threshold(&self) -> Option<u64> {
        let as_they_are = E::StreamLayer::IS_PLAINTEXT && self.throttle.is_none();
        if as_they_are { self.guard.service.splice.threshold() } else { None }
    }

    /// Reads a piece of a request head. If it had to wait for bandwidth, that time is not the client's.
    #[inline]
    pub(crate) fn recv_head(&mut self, into: &mut [u8], context: &Context<'_>, now: Instant) -> io::Result<usize> {
        let (mut wire, throttle) = self.wire_and_throttle(context);
        let Some(throttle) = throttle else { return wire.recv(into) };
        let received = ThrottledWire::new(wire, throttle, now).recv(into);
        let waited = throttle.last_read_pause();
        self.timeout_start += waited;
        received
    }

    /// Until when it may not be read, for lack of bandwidth, after a read at `now`.
    pub(crate) fn read_paused_until(&self, now: Instant) -> Option<Instant> {
        self.throttle.as_ref()?.paused_until(Direction::Up, now)
    }
}

/// What limits the bandwidth of a connection of `client`.
fn throttle<E: Engine>(worker: &WorkerContext<E>, client: IpAddr, now: Instant) -> Option<Box<ConnectionThrottle>> {
    let throttle = worker.server.filter.throttle(client)?;
    Some(Box::new(ConnectionThrottle::new(throttle, now)))
}
