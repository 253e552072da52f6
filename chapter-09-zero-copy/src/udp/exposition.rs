//! The metrics of flows.

use std::sync::Arc;

use common::clock::now;
use lb_metrics::exposition::{
    Exposition,
    backend_collector::{BACKEND, EJECTIONS, UP, WEIGHT, is_up},
    balancer_collector::BUILD,
    family::{Family, boolean, count},
    process_collector::ProcessCollector,
};
use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{drop_reason::DropReason, flow_end::FlowEnd, server::UdpServer, stats::Traffic};
use crate::exposition::of_backends;

const FLOWS: Family = Family::gauge("lb_udp_flows", &[], "Flows now.");
const ENDED: Family = Family::counter("lb_udp_flows_total", &["end"], "Flows that have ended, by how they ended.");
const DATAGRAMS: Family =
    Family::counter("lb_udp_datagrams_total", &["to"], "Datagrams sent on, by the side they went to.");
const BYTES: Family = Family::counter(
    "lb_udp_bytes_total",
    &["to"],
    "Bytes of these datagrams, without headers, by the side they went to.",
);
const DROPPED: Family =
    Family::counter("lb_udp_dropped_total", &["reason"], "Datagrams that were not sent on, by reason.");
const IN_FLIGHT: Family = Family::gauge("lb_backend_in_flight", BACKEND, "Flows of the backend now.");
const BACKEND_FLOWS: Family =
    Family::counter("lb_backend_flows_total", BACKEND, "Flows that were given to the backend.");
const BACKEND_FAILURES: Family =
    Family::counter("lb_backend_failures_total", BACKEND, "ICMP messages that the backend is unreachable.");
const ALL: [&Family; 12] = [
    &FLOWS,
    &ENDED,
    &DATAGRAMS,
    &BYTES,
    &DROPPED,
    &IN_FLIGHT,
    &BACKEND_FLOWS,
    &BACKEND_FAILURES,
    &UP,
    &WEIGHT,
    &EJECTIONS,
    &BUILD,
];

/// All metrics of this server.
///
/// # Errors
/// Two metrics have one name.
pub(super) fn exposition(server: &Arc<UdpServer>) -> prometheus::Result<Exposition> {
    let flows = FlowCollector { server: Arc::clone(server), descs: ALL.into_iter().map(Family::desc).collect() };
    Exposition::of(vec![Box::new(flows), Box::<ProcessCollector>::default()])
}

struct FlowCollector {
    server: Arc<UdpServer>,
    descs: Vec<Desc>,
}

impl FlowCollector {
    /// A sample for each side.
    fn by_side(&self, family: &Family, value: impl Fn(Traffic) -> u64) -> MetricFamily {
        let sides = [("backend", self.server.to_backends()), ("client", self.server.to_clients())];
        family.with(sides.map(|(side, traffic)| family.sample(&[side], count(value(traffic)))).into())
    }
}

impl Collector for FlowCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (server, balancer, now) = (&self.server, self.server.balancer(), now());
        let ended = FlowEnd::ALL.map(|end| ENDED.sample(&[end.as_str()], count(server.ended(end))));
        let dropped = DropReason::ALL.map(|reason| DROPPED.sample(&[reason.as_str()], count(server.dropped(reason))));
        let mut families = vec![
            FLOWS.with_one(count(server.flows())),
            ENDED.with(ended.into()),
            self.by_side(&DATAGRAMS, |traffic| traffic.datagrams),
            self.by_side(&BYTES, |traffic| traffic.bytes),
            DROPPED.with(dropped.into()),
            BUILD.with(vec![BUILD.sample(&[env!("CARGO_PKG_VERSION")], 1.0)]),
        ];
        if balancer.groups().iter().any(|group| !group.members().is_empty()) {
            families.extend([
                of_backends(balancer, &IN_FLIGHT, |backend| backend.concurrency.in_flight().into()),
                of_backends(balancer, &BACKEND_FLOWS, |backend| count(backend.totals.total_requests())),
                of_backends(balancer, &BACKEND_FAILURES, |backend| count(backend.totals.failures())),
                of_backends(balancer, &UP, |backend| boolean(is_up(backend.state(now)))),
                of_backends(balancer, &WEIGHT, |backend| backend.weight().into()),
                of_backends(balancer, &EJECTIONS, |backend| count(backend.ejections())),
            ]);
        }
        families
    }
}
