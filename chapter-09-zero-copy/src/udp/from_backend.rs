//! Datagrams from backends: each goes to the client of its flow.

use std::time::Instant;

use nix::errno::Errno;

use super::{
    drop_reason::DropReason, flow::Flow, flow_table::FlowId, receive_batch::ReceiveBatch, stats::Traffic,
    worker::UdpWorker,
};

impl UdpWorker {
    /// The socket of a flow has datagrams, or an ICMP message. The flow may have ended meanwhile.
    pub(super) fn on_backend(&mut self, id: Option<FlowId>, batch: &mut ReceiveBatch, now: Instant) {
        let Some(id) = id else { return };
        let Some((_, Flow { upstream: Some(upstream), .. })) = self.flows.get_mut(id) else { return };
        match batch.receive_from_backend(&upstream.socket) {
            Ok(()) => {
                upstream.on_reply(self.server.balancer(), &mut self.reached, now);
                self.flows.renew(id, now);
                self.send_to_client(id, batch);
            }
            // EMSGSIZE: the path takes only shorter datagrams. The kernel knows by now, and says so at the next send.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::EMSGSIZE) => {}
            Err(errno) => self.on_unreachable(id, errno, now),
        }
    }

    fn send_to_client(&mut self, id: FlowId, batch: &ReceiveBatch) {
        let stats = self.server.worker(self.id);
        let Some((key, flow)) = self.flows.get_mut(id) else { return };
        // A client takes replies from the address that it has asked only.
        let source = self.local.ip().is_unspecified().then_some(key.local);
        let mut datagrams = 0..batch.received().len();
        while datagrams.start < datagrams.end {
            let payloads = datagrams.clone().map(|position| batch.bytes(position));
            match self.send.send_to_client(&self.listener, (source, key.client), payloads) {
                Ok(sent) => {
                    let sent = Traffic::of(batch, datagrams.start..datagrams.start + sent);
                    datagrams.start += usize::try_from(sent.datagrams).unwrap_or(usize::MAX);
                    flow.to_client += sent;
                    stats.to_clients.add(sent);
                }
                Err(errno) => {
                    let failed = (1, DropReason::SendFailed);
                    let (dropped, reason) = DropReason::of_send(errno, datagrams.len()).unwrap_or(failed);
                    stats.count_dropped(dropped, reason);
                    datagrams.start += dropped;
                }
            }
        }
    }
}
