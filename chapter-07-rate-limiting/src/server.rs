//! The balancer with its limits: what it prints and what its admin interface shows.

use std::{fmt::Write as _, io, num::NonZeroUsize, sync::Arc};

use advanced_features::{
    Balancer,
    admin::{AdminHandler, AdminRequest, AdminResponse},
    program,
};
use common::{net::Listeners, shutdown::Shutdown};
use connection_pooling::{Filter, PoolConfig, Server};
use serde::Serialize;

use crate::{
    bandwidth::{BandwidthLimit, BandwidthReport},
    filter::{ConnectionLimit, LimitReport, RateLimits},
    load_shed::GroupReport,
};

/// What a server with limits is made of.
#[derive(Debug)]
pub struct Parts {
    /// The balancer.
    pub balancer: Arc<Balancer>,
    /// The pool of connections.
    pub pool: PoolConfig,
    /// The number of workers.
    pub workers: NonZeroUsize,
    /// The limits.
    pub limits: RateLimits,
}

/// A server whose requests pass through limits. A further filter stands before them: it sees those that they refuse too.
#[derive(Debug)]
pub struct LimitedServer<F = ()>(Arc<Server<(F, RateLimits)>>);

impl<F: Filter> LimitedServer<F> {
    /// A server of these parts, and a further filter: `()` for none.
    pub fn new(Parts { balancer, pool, workers, limits }: Parts, filter: F) -> Self {
        Self(Arc::new(Server::with_filter(balancer, pool, workers, (filter, limits))))
    }

    /// The server without its limits' part of the statistics and of the admin interface.
    pub fn server(&self) -> &Arc<Server<(F, RateLimits)>> {
        &self.0
    }
}

/// The groups that have an adaptive limit.
fn group_reports(balancer: &Balancer) -> impl Iterator<Item = GroupReport> {
    balancer.groups().iter().filter_map(|group| GroupReport::of(group))
}

impl<F: Filter> program::Server for LimitedServer<F> {
    fn run(self: &Arc<Self>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
        connection_pooling::run(&self.0, listeners, shutdown)
    }

    fn statistics(&self) -> String {
        let mut table = self.0.statistics();
        for LimitReport { name, rule, stats, without_slot } in self.0.filter().1.reports() {
            write!(
                table,
                "\nlimit {name}: {} allowed, {} refused, {without_slot} without a slot ({rule})",
                stats.allowed, stats.refused
            )
            .expect("writing to a String cannot fail");
        }
        for GroupReport { group, limit, in_flight, queued, shed } in group_reports(self.0.balancer()) {
            write!(table, "\ngroup {group}: {in_flight} of {limit} in flight, {queued} queued, {shed} shed")
                .expect("writing to a String cannot fail");
        }
        if let Some(limit) = self.0.filter().1.connections() {
            write!(table, "\nconnections per address: {} refused, {} not counted", limit.refused(), limit.overflows())
                .expect("writing to a String cannot fail");
        }
        if let Some(limit) = self.0.filter().1.bandwidth() {
            let BandwidthReport { rule, pauses_down, pauses_up, without_slot } = limit.report();
            write!(
                table,
                "\nbandwidth: {pauses_down} pauses down, {pauses_up} pauses up, {without_slot} without a slot ({rule})"
            )
            .expect("writing to a String cannot fail");
        }
        table
    }

    fn admin_handlers(self: &Arc<Self>) -> Vec<Box<dyn AdminHandler>> {
        let mut handlers = self.0.admin_handlers();
        handlers.insert(0, Box::new(LimitsHandler(Arc::clone(&self.0))));
        handlers
    }
}

/// Serves the limits and their counts at `/limits` of the admin interface.
struct LimitsHandler<F>(Arc<Server<(F, RateLimits)>>);

#[derive(Serialize)]
struct LimitsBody {
    limits: Vec<LimitReport>,
    /// `null` without `--max-clients-per-ip`.
    connections_refused: Option<u64>,
    /// `null` without `--limit-bandwidth`.
    bandwidth: Option<BandwidthReport>,
    /// Empty without `--shed`.
    load_shedding: Vec<GroupReport>,
}

impl<F: Filter> AdminHandler for LimitsHandler<F> {
    fn endpoints(&self) -> &'static [&'static str] {
        &["GET /limits"]
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        (request.path == "/limits").then(|| match request.method.as_str() {
            "GET" | "HEAD" => {
                let (_, limits) = self.0.filter();
                let (limits, connections, bandwidth) = (limits.reports(), limits.connections(), limits.bandwidth());
                let connections_refused = connections.map(ConnectionLimit::refused);
                let bandwidth = bandwidth.map(BandwidthLimit::report);
                let load_shedding = group_reports(self.0.balancer()).collect();
                AdminResponse::json(200, &LimitsBody { limits, connections_refused, bandwidth, load_shedding })
            }
            _ => AdminResponse::method_not_allowed("GET, HEAD"),
        })
    }
}
