//! A solution of exercise 9.7.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    time::Instant,
};

use zero_copy::udp::{drop_reason::DropReason, flow_table::FlowKey};

use crate::contracts::{FlowLimits, Flows};

/// A table without flows.
pub fn flows(limits: FlowLimits) -> Box<dyn Flows> {
    let (flows, order, sources) = (HashMap::new(), BTreeMap::new(), HashMap::new());
    Box::new(FlowTable { limits, flows, order, sources, renewals: 0 })
}

struct FlowTable {
    limits: FlowLimits,
    flows: HashMap<FlowKey, Flow>,
    /// The flows in the order in which they expire.
    order: BTreeMap<Renewal, FlowKey>,
    /// How many flows each source has.
    sources: HashMap<IpAddr, usize>,
    /// How many times a flow was renewed.
    renewals: u64,
}

/// When a flow was renewed last, and a number that tells those apart that were renewed at the same time.
type Renewal = (Instant, u64);

struct Flow {
    backend: Option<usize>,
    renewed: Renewal,
}

impl FlowTable {
    fn renew(&mut self, key: &FlowKey, now: Instant) -> Option<&mut Flow> {
        let flow = self.flows.get_mut(key)?;
        self.order.remove(&flow.renewed);
        self.renewals += 1;
        flow.renewed = (now, self.renewals);
        self.order.insert(flow.renewed, *key);
        Some(flow)
    }

    fn begin(
        &mut self,
        key: FlowKey,
        now: Instant,
        pick: &mut dyn FnMut() -> Option<usize>,
    ) -> Result<usize, DropReason> {
        let source = source(key.client.ip());
        let of_source = self.sources.get(&source).copied().unwrap_or(0);
        if of_source >= self.limits.max_flows_per_source {
            return Err(DropReason::MaxFlowsPerSource);
        }
        if self.flows.len() >= self.limits.max_flows {
            return Err(DropReason::MaxFlows);
        }
        let backend = pick().ok_or(DropReason::NoBackend)?;
        self.sources.insert(source, of_source + 1);
        self.renewals += 1;
        let renewed = (now, self.renewals);
        self.order.insert(renewed, key);
        self.flows.insert(key, Flow { backend: Some(backend), renewed });
        Ok(backend)
    }

    /// One flow less of this source.
    fn release(&mut self, source: IpAddr) {
        if let Some(count) = self.sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
    }
}

/// Whose flows are counted together. A host has a whole /64 network of IPv6, and may send from any address in it.
fn source(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Flows for FlowTable {
    fn on_client(
        &mut self,
        key: FlowKey,
        now: Instant,
        pick: &mut dyn FnMut() -> Option<usize>,
    ) -> Result<usize, DropReason> {
        let Some(flow) = self.renew(&key, now) else { return self.begin(key, now, pick) };
        flow.backend = flow.backend.or_else(pick);
        flow.backend.ok_or(DropReason::NoBackend)
    }

    fn on_backend(&mut self, key: &FlowKey, now: Instant) -> bool {
        self.renew(key, now).is_some()
    }

    fn on_unreachable(&mut self, key: &FlowKey) {
        if let Some(flow) = self.flows.get_mut(key) {
            flow.backend = None;
        }
    }

    fn expire(&mut self, now: Instant) -> Option<FlowKey> {
        if self.next_expiry()? > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.flows.remove(&key);
        self.release(source(key.client.ip()));
        Some(key)
    }

    fn next_expiry(&self) -> Option<Instant> {
        self.order.first_key_value().map(|((renewed_at, _), _)| *renewed_at + self.limits.timeout)
    }

    fn flows(&self) -> usize {
        self.flows.len()
    }

    fn sources(&self) -> usize {
        self.sources.len()
    }
}
