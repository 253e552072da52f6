//! A worker: one loop over the readiness of its sockets, as in chapter 5.
//!
//! A session of TCP waits for many things in turn, and is a task. A flow waits for one thing, a datagram from either
//! side, so a task would have nothing to remember. The loop asks the kernel which sockets have datagrams, takes a batch
//! of each, and sends it on at once: UDP has no back-pressure, so nothing is kept. Level-triggered: what is left after a
//! batch is reported again, after all others had their turn.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    clock::now,
    shutdown::{Shutdown, ShutdownStage},
};
use nix::{
    errno::Errno,
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
};

use super::{
    flow::Flow,
    flow_end::FlowEnd,
    flow_table::{FlowId, FlowKey, FlowTable},
    receive_batch::ReceiveBatch,
    send_batch::SendBatch,
    server::UdpServer,
    stats::UdpStats,
    upstream::ReachedAddresses,
};

/// The events of sockets that belong to no flow. Ids of flows are smaller.
const LISTENER: u64 = u64::MAX;
const DRAINING: u64 = u64::MAX - 1;
const STOPPING: u64 = u64::MAX - 2;

const MAX_EVENTS: usize = 256;

/// The longest wait: the kernel counts milliseconds in an `int`.
const MAX_WAIT: Duration = Duration::from_mins(1);

/// One worker, with the flows of one listening socket.
#[derive(Debug)]
pub(super) struct UdpWorker {
    pub(super) server: Arc<UdpServer>,
    pub(super) id: usize,
    pub(super) listener: UdpSocket,
    pub(super) local: SocketAddr,
    pub(super) epoll: Epoll,
    pub(super) flows: FlowTable<Flow>,
    pub(super) send: SendBatch,
    pub(super) reached: ReachedAddresses,
    /// By when a drain ends, once it has begun.
    drain_deadline: Option<Instant>,
}

impl UdpWorker {
    pub(super) fn new(server: Arc<UdpServer>, id: usize, listener: UdpSocket) -> io::Result<Self> {
        Ok(Self {
            id,
            local: listener.local_addr()?,
            listener,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            flows: FlowTable::new(server.options().timeout),
            send: SendBatch::default(),
            reached: ReachedAddresses::default(),
            drain_deadline: None,
            server,
        })
    }

    // ANCHOR: run
    /// Serves datagrams until shutdown, and then those of known flows until the last of the process has expired.
    pub(super) fn run(mut self, shutdown: &Shutdown) -> io::Result<()> {
        self.epoll.add(&self.listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        self.epoll.add(shutdown.fd(ShutdownStage::Draining), EpollEvent::new(EpollFlags::EPOLLIN, DRAINING))?;
        self.epoll.add(shutdown.fd(ShutdownStage::Stopping), EpollEvent::new(EpollFlags::EPOLLIN, STOPPING))?;
        let (mut batch, mut events) = (ReceiveBatch::default(), [EpollEvent::empty(); MAX_EVENTS]);
        'serve: loop {
            let ready = match self.epoll.wait(&mut events, self.wait_time(now())) {
                Err(Errno::EINTR) => 0,
                ready => ready?,
            };
            let now = now();
            for event in &events[..ready] {
                match event.data() {
                    LISTENER => self.on_clients(&mut batch, now),
                    DRAINING => self.start_drain(shutdown, now)?,
                    STOPPING => break 'serve,
                    flow => self.on_backend(FlowId::from_number(flow), &mut batch, now),
                }
            }
            while let Some((key, flow)) = self.flows.expire(now) {
                self.end(&key, flow, FlowEnd::Idle, now);
            }
            // A worker without flows stays: closing its socket would change which worker the kernel gives datagrams to.
            if self.drain_deadline.is_some_and(|deadline| now >= deadline || self.server.is_drained()) {
                shutdown.stop();
            }
        }
        while let Some((key, flow)) = self.flows.pop() {
            self.end(&key, flow, FlowEnd::Drained, now());
        }
        Ok(())
    }
    // ANCHOR_END: run

    /// Until a flow expires or the drain ends; rounded up to what the kernel counts in.
    fn wait_time(&self, now: Instant) -> EpollTimeout {
        let Some(wake_up) = self.flows.next_expiry().into_iter().chain(self.drain_deadline).min() else {
            return EpollTimeout::NONE;
        };
        let wait = wake_up.saturating_duration_since(now).min(MAX_WAIT) + Duration::from_nanos(999_999);
        EpollTimeout::from(u16::try_from(wait.as_millis()).unwrap_or(u16::MAX))
    }

    fn start_drain(&mut self, shutdown: &Shutdown, now: Instant) -> io::Result<()> {
        // It stays readable, and would be reported again and again.
        self.epoll.delete(shutdown.fd(ShutdownStage::Draining))?;
        self.server.start_drain();
        self.drain_deadline = Some(now + self.server.balancer().config().timeouts.drain);
        Ok(())
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain_deadline.is_some()
    }

    pub(super) fn stats(&self) -> &UdpStats {
        self.server.worker(self.id)
    }

    pub(super) fn end(&self, key: &FlowKey, mut flow: Flow, end: FlowEnd, now: Instant) {
        let end = if end == FlowEnd::Idle && flow.upstream.is_none() { FlowEnd::Unreachable } else { end };
        let (balancer, record) = (self.server.balancer(), flow.record(key, end, now));
        if let Some(mut upstream) = flow.upstream.take() {
            upstream.confirm_if_silent(balancer, now);
            upstream.finish(flow.to_client, now);
        }
        self.stats().count_end(end);
        balancer.stats().connection_closed();
        balancer.stats().record(&record.exchange());
        if balancer.config().log_requests {
            record.log();
        }
    }
}

/// The event of a flow's socket: datagrams and ICMP messages. There are none after the socket is closed.
pub(super) fn flow_event(id: FlowId) -> EpollEvent {
    // Not EPOLLOUT: each datagram that leaves the send buffer would wake the worker, which never waits for that.
    EpollEvent::new(EpollFlags::EPOLLIN, id.number())
}
