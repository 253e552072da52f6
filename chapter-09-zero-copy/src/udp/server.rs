//! A balancer of flows, and what its workers share.

use std::{
    fmt::Write as _,
    num::{NonZeroU32, NonZeroUsize},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use advanced_features::Balancer;

use super::{
    drop_reason::DropReason,
    flow_end::FlowEnd,
    quota::FlowQuota,
    stats::{Traffic, TrafficCounter, UdpStats},
};

/// How flows are served.
#[derive(Debug, Clone, Copy)]
pub struct UdpOptions {
    /// How long a flow may have no datagram in either direction.
    pub timeout: Duration,
    /// How many flows each source may have.
    pub max_flows_per_source: NonZeroU32,
    /// Whether each datagram to a backend begins with a PROXY header of version 2.
    pub send_proxy: bool,
}

/// A balancer of flows.
#[derive(Debug)]
pub struct UdpServer {
    balancer: Arc<Balancer>,
    options: UdpOptions,
    quota: Arc<FlowQuota>,
    /// One per worker.
    stats: Vec<UdpStats>,
    /// How many workers drain: they begin no flows any more.
    draining_workers: AtomicUsize,
}

impl UdpServer {
    /// For `workers` workers. The most flows are the clients of the balancer's configuration.
    pub fn new(balancer: Arc<Balancer>, workers: NonZeroUsize, options: UdpOptions) -> Self {
        let quota = Arc::new(FlowQuota::new(balancer.config().max_clients, options.max_flows_per_source));
        let stats = (0..workers.get()).map(|_| UdpStats::default()).collect();
        Self { balancer, options, quota, stats, draining_workers: AtomicUsize::new(0) }
    }

    /// The balancer, which chooses backends.
    pub fn balancer(&self) -> &Arc<Balancer> {
        &self.balancer
    }

    /// How flows are served.
    pub fn options(&self) -> &UdpOptions {
        &self.options
    }

    /// The flows that may still begin.
    pub(super) fn quota(&self) -> &Arc<FlowQuota> {
        &self.quota
    }

    /// One more worker drains.
    pub(super) fn start_drain(&self) {
        self.draining_workers.fetch_add(1, SeqCst);
    }

    /// Whether there are no flows, and no worker begins any.
    pub(super) fn is_drained(&self) -> bool {
        self.draining_workers.load(SeqCst) == self.stats.len() && self.quota.flows() == 0
    }

    pub(super) fn worker(&self, id: usize) -> &UdpStats {
        &self.stats[id]
    }

    /// How many flows there are.
    pub fn flows(&self) -> u64 {
        self.stats.iter().map(UdpStats::flows).sum()
    }

    /// How many flows have ended so.
    pub fn ended(&self, end: FlowEnd) -> u64 {
        self.stats.iter().map(|stats| stats.ended(end)).sum()
    }

    /// How many datagrams were dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.stats.iter().map(|stats| stats.dropped(reason)).sum()
    }

    /// What was sent to backends.
    pub fn to_backends(&self) -> Traffic {
        self.traffic(|stats| &stats.to_backends)
    }

    /// What was sent to clients.
    pub fn to_clients(&self) -> Traffic {
        self.traffic(|stats| &stats.to_clients)
    }

    fn traffic(&self, counter: impl Fn(&UdpStats) -> &TrafficCounter) -> Traffic {
        let mut sum = Traffic::default();
        self.stats.iter().for_each(|stats| sum += counter(stats).get());
        sum
    }

    /// The table that SIGUSR1 and the exit print.
    pub fn statistics(&self) -> String {
        let mut table = self.balancer.stats_table_of("flows");
        let mut line =
            |args: std::fmt::Arguments<'_>| write!(table, "\n{args}").expect("writing to a String cannot fail");
        for (name, Traffic { datagrams, bytes }) in [("backends", self.to_backends()), ("clients", self.to_clients())] {
            line(format_args!("datagrams to {name} {datagrams} ({bytes} bytes)"));
        }
        for reason in DropReason::ALL {
            match self.dropped(reason) {
                0 => {}
                datagrams => line(format_args!("dropped {reason} {datagrams}")),
            }
        }
        for end in FlowEnd::ALL {
            match self.ended(end) {
                0 => {}
                flows => line(format_args!("ended {end} {flows}")),
            }
        }
        for (worker, stats) in self.stats.iter().enumerate() {
            line(format_args!("worker {worker}: {} flows", stats.flows()));
        }
        table
    }
}
