//! Datagrams from clients: each goes to its flow's backend, or begins a flow.

use std::{io, net::SocketAddr, ops::Range, time::Instant};

use nix::errno::Errno;

use super::{
    drop_reason::DropReason,
    flow::Flow,
    flow_table::{FlowId, FlowKey},
    receive_batch::ReceiveBatch,
    stats::Traffic,
    upstream::Upstream,
    worker::{UdpWorker, flow_event},
};
use crate::proxy_protocol;

/// How many backends one datagram is given to. On loopback a refusal is known at the next call; elsewhere never so soon.
const MAX_BACKENDS: usize = 3;

impl UdpWorker {
    /// The listener has datagrams.
    pub(super) fn on_clients(&mut self, batch: &mut ReceiveBatch, now: Instant) {
        if batch.receive_from_clients(&self.listener).is_err() {
            return; // nothing has arrived after all: a datagram with a wrong checksum, or an interrupted call
        }
        let mut next = 0;
        while let Some(first) = batch.received().get(next) {
            let (source, local) = (first.source, first.local);
            let of_flow = batch.received()[next..].iter();
            let run = of_flow.take_while(|other| (other.source, other.local) == (source, local) && !other.is_truncated);
            let end = next + run.count().max(1);
            match source {
                Some(client) if !first.is_truncated => {
                    let key = FlowKey { client, local: local.unwrap_or(self.local.ip()) };
                    self.on_client(key, batch, next..end, now);
                }
                _ => self.stats().count_dropped(1, DropReason::Truncated),
            }
            next = end;
        }
    }

    // ANCHOR: on_client
    /// Sends datagrams of one client on, and moves its flow to another backend as long as there is one to try.
    fn on_client(&mut self, key: FlowKey, batch: &ReceiveBatch, mut datagrams: Range<usize>, now: Instant) {
        let id = match self.flows.find(&key).map_or_else(|| self.begin(key, now), Ok) {
            Ok(id) => id,
            Err(reason) => return self.stats().count_dropped(datagrams.len(), reason),
        };
        self.flows.renew(id, now);
        for _ in 0..MAX_BACKENDS {
            if let Err(reason) = self.ensure_upstream(id, now) {
                return self.stats().count_dropped(datagrams.len(), reason);
            }
            match self.send_to_backend(id, batch, &mut datagrams) {
                Ok(()) => return,
                // The kernel reports an ICMP message by the next call, and then sends nothing.
                Err(errno) => self.on_unreachable(id, errno, now),
            }
        }
        self.stats().count_dropped(datagrams.len(), DropReason::SendFailed);
    }
    // ANCHOR_END: on_client

    /// Begins a flow.
    fn begin(&mut self, key: FlowKey, now: Instant) -> Result<FlowId, DropReason> {
        if self.is_draining() {
            return Err(DropReason::Draining);
        }
        let (balancer, client) = (self.server.balancer(), key.client.ip());
        let permit = self.server.quota().try_acquire(client)?;
        let upstream = Upstream::open(balancer, client, &self.reached, now)?;
        balancer.stats().connection_opened();
        self.stats().count_begin();
        let header = self.proxy_header(&key);
        let id = self.flows.insert(key, Flow::new(upstream, header, permit, now), now);
        self.watch_upstream(id).map(|()| id)
    }

    fn proxy_header(&self, key: &FlowKey) -> Vec<u8> {
        let mut header = Vec::new();
        if self.server.options().send_proxy {
            // The client has asked the listener: the backend knows its own address.
            let destination = SocketAddr::new(key.local, self.local.port());
            proxy_protocol::write_datagram(key.client, destination, &mut header);
        }
        header
    }

    /// Gives the flow another backend, if it has none or its own is down.
    fn ensure_upstream(&mut self, id: FlowId, now: Instant) -> Result<(), DropReason> {
        let Some((key, flow)) = self.flows.get_mut(id) else { return Ok(()) };
        let balancer = self.server.balancer();
        if let Some(upstream) = &mut flow.upstream
            && upstream.is_usable(now)
        {
            upstream.confirm_if_silent(balancer, now);
            return Ok(());
        }
        if let Some(upstream) = flow.upstream.take() {
            upstream.finish(flow.to_client, now);
        }
        flow.upstream = Some(Upstream::open(balancer, key.client.ip(), &self.reached, now)?);
        flow.moves += 1;
        self.watch_upstream(id)
    }

    /// Has the events of the flow's socket reported; without them it would be of no use.
    fn watch_upstream(&mut self, id: FlowId) -> Result<(), DropReason> {
        let Some((_, flow)) = self.flows.get_mut(id) else { return Ok(()) };
        let Some(upstream) = &flow.upstream else { return Ok(()) };
        self.epoll.add(&upstream.socket, flow_event(id)).map_err(|_| {
            flow.upstream = None;
            DropReason::NoSocket
        })
    }

    /// An ICMP message: the flow's backend is unreachable. Its next datagram goes elsewhere.
    pub(super) fn on_unreachable(&mut self, id: FlowId, errno: Errno, now: Instant) {
        let Some((_, flow)) = self.flows.get_mut(id) else { return };
        let Some(upstream) = flow.upstream.take() else { return };
        flow.upstream = upstream.on_unreachable(self.server.balancer(), io::Error::from(errno), now);
        let _ = self.watch_upstream(id); // if it fails, the next datagram opens another socket
    }

    /// Sends the datagrams; takes those that were sent or dropped from the range.
    ///
    /// # Errors
    /// The backend is unreachable.
    fn send_to_backend(&mut self, id: FlowId, batch: &ReceiveBatch, datagrams: &mut Range<usize>) -> Result<(), Errno> {
        let stats = self.server.worker(self.id);
        let Some((_, flow)) = self.flows.get_mut(id) else { return Ok(()) };
        let Flow { upstream: Some(upstream), header, to_backend, .. } = flow else { return Ok(()) };
        while datagrams.start < datagrams.end {
            let payloads = datagrams.clone().map(|position| batch.bytes(position));
            match self.send.send_to_backend(&upstream.socket, header, payloads) {
                Ok(sent) => {
                    let sent = Traffic::of(batch, datagrams.start..datagrams.start + sent);
                    datagrams.start += usize::try_from(sent.datagrams).unwrap_or(usize::MAX);
                    *to_backend += sent;
                    stats.to_backends.add(sent);
                }
                Err(errno) => {
                    let (dropped, reason) = DropReason::of_send(errno, datagrams.len()).ok_or(errno)?;
                    stats.count_dropped(dropped, reason);
                    datagrams.start += dropped;
                }
            }
        }
        Ok(())
    }
}
