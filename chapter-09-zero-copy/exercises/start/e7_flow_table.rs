//! Exercise 9.7: the flows of a balancer of datagrams (an evening).
//!
//! **Contract.** [`flows`] returns a table of [`Flows`], whose documentation says what each method does.
//!
//! - A flow is a client's address and port *and* the local address asked ([`FlowKey`]). All its datagrams go to one
//!   backend until that is unreachable.
//! - Only silence ends a flow, and a datagram in either direction breaks it. Flows end in the order in which they were
//!   renewed last, also those that were renewed at the same time.
//! - Both limits are exact. At a limit new flows are dropped, and known ones go on. A datagram that is dropped leaves
//!   nothing behind; nor does a flow that has ended: a source without flows is forgotten.
//! - No call takes longer because there are many flows. (A logarithm is fine: 100,000 flows and 300,000 datagrams within
//!   10 s.)

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use zero_copy::udp::{drop_reason::DropReason, flow_table::FlowKey};

use crate::contracts::{FlowLimits, Flows};

/// A table without flows.
pub fn flows(limits: FlowLimits) -> Box<dyn Flows> {
    Box::new(FlowTable { limits, flows: HashMap::new(), sources: HashMap::new() })
}

struct FlowTable {
    limits: FlowLimits,
    flows: HashMap<SocketAddr, Flow>,
    sources: HashMap<IpAddr, usize>,
}

struct Flow {
    key: FlowKey,
    backend: usize,
    began_at: Instant,
}

impl Flows for FlowTable {
    fn on_client(
        &mut self,
        key: FlowKey,
        now: Instant,
        pick: &mut dyn FnMut() -> Option<usize>,
    ) -> Result<usize, DropReason> {
        if let Some(flow) = self.flows.get(&key.client) {
            return Ok(flow.backend);
        }
        let of_source = self.sources.entry(key.client.ip()).or_default();
        *of_source += 1;
        if *of_source > self.limits.max_flows_per_source {
            return Err(DropReason::MaxFlowsPerSource);
        }
        if self.flows.len() == self.limits.max_flows {
            return Err(DropReason::MaxFlows);
        }
        let backend = pick().ok_or(DropReason::NoBackend)?;
        self.flows.insert(key.client, Flow { key, backend, began_at: now });
        Ok(backend)
    }

    fn on_backend(&mut self, key: &FlowKey, _now: Instant) -> bool {
        self.flows.contains_key(&key.client)
    }

    fn on_unreachable(&mut self, key: &FlowKey) {
        self.flows.remove(&key.client);
    }

    fn expire(&mut self, now: Instant) -> Option<FlowKey> {
        let key = self.flows.values().find(|flow| now >= flow.began_at + self.limits.timeout)?.key;
        self.flows.remove(&key.client);
        Some(key)
    }

    fn next_expiry(&self) -> Option<Instant> {
        self.flows.values().map(|flow| flow.began_at + self.limits.timeout).min()
    }

    fn flows(&self) -> usize {
        self.flows.len()
    }

    fn sources(&self) -> usize {
        self.sources.len()
    }
}
