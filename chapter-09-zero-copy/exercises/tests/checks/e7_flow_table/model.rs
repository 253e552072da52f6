//! What a table of flows must do, as a list that is searched from its beginning: slow, and obviously right.

use std::{collections::BTreeSet, net::IpAddr, time::Instant};

use exercises_09::contracts::FlowLimits;
use zero_copy::udp::{drop_reason::DropReason, flow_table::FlowKey};

/// The flows as a list in the order of their last datagrams.
pub(super) struct Model {
    limits: FlowLimits,
    pub(super) flows: Vec<(FlowKey, Option<usize>, Instant)>,
}

impl Model {
    pub(super) fn new(limits: FlowLimits) -> Self {
        Self { limits, flows: Vec::new() }
    }

    fn source(key: &FlowKey) -> IpAddr {
        match key.client.ip().to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
            v4 @ IpAddr::V4(_) => v4,
        }
    }

    /// Takes the flow out of the list, to be put at its end.
    fn take(&mut self, key: &FlowKey) -> Option<(FlowKey, Option<usize>, Instant)> {
        let position = self.flows.iter().position(|(other, ..)| other == key)?;
        Some(self.flows.remove(position))
    }

    pub(super) fn on_client(&mut self, key: FlowKey, now: Instant, picked: Option<usize>) -> Result<usize, DropReason> {
        let of_source = self.flows.iter().filter(|(other, ..)| Self::source(other) == Self::source(&key)).count();
        let backend = match self.take(&key) {
            Some((_, backend, _)) => backend.or(picked),
            None if of_source >= self.limits.max_flows_per_source => return Err(DropReason::MaxFlowsPerSource),
            None if self.flows.len() >= self.limits.max_flows => return Err(DropReason::MaxFlows),
            None => Some(picked.ok_or(DropReason::NoBackend)?),
        };
        self.flows.push((key, backend, now));
        backend.ok_or(DropReason::NoBackend)
    }

    pub(super) fn on_backend(&mut self, key: &FlowKey, now: Instant) -> bool {
        let found = self.take(key);
        self.flows.extend(found.map(|(key, backend, _)| (key, backend, now)));
        found.is_some()
    }

    pub(super) fn on_unreachable(&mut self, key: &FlowKey) {
        for (other, backend, _) in &mut self.flows {
            if other == key {
                *backend = None;
            }
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.flows.first().map(|(_, _, renewed_at)| *renewed_at + self.limits.timeout)
    }

    pub(super) fn expire(&mut self, now: Instant) -> Option<FlowKey> {
        let is_over = self.next_expiry().is_some_and(|expiry| expiry <= now);
        is_over.then(|| self.flows.remove(0).0)
    }

    pub(super) fn sources(&self) -> usize {
        self.flows.iter().map(|(key, ..)| Self::source(key)).collect::<BTreeSet<_>>().len()
    }
}
