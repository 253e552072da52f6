//! The balancer with its limits: what it prints and what its admin interface shows.

use std::{fmt::Write as _, io, sync::Arc};

use advanced_features::{
    admin::{AdminHandler, AdminRequest, AdminResponse},
    program,
};
use common::{net::Listeners, shutdown::Shutdown};
use connection_pooling::Server;
use serde::Serialize;

use crate::{
    bandwidth::{BandwidthLimit, BandwidthReport},
    filter::{ConnectionLimit, LimitReport, RateLimits},
    load_shed::GroupReport,
};

/// A server whose requests pass through limits.
#[derive(Debug)]
pub struct LimitedServer(Arc<Server<RateLimits>>);

impl LimitedServer {
    /// The server with the filter that it was made with.
    pub fn new(server: Server<RateLimits>) -> Self {
        Self(Arc::new(server))
    }
}

/// The groups that have an adaptive limit.
fn group_reports(server: &Server<RateLimits>) -> impl Iterator<Item = GroupReport> {
    server.balancer().groups().iter().filter_map(|group| GroupReport::of(group))
}

impl program::Server for LimitedServer {
    fn run(self: &Arc<Self>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
        connection_pooling::run(&self.0, listeners, shutdown)
    }

    fn statistics(&self) -> String {
        let mut table = self.0.statistics();
        for LimitReport { name, rule, stats, without_slot } in self.0.filter().reports() {
            write!(
                table,
                "\nlimit {name}: {} allowed, {} refused, {without_slot} without a slot ({rule})",
                stats.allowed, stats.refused
            )
            .expect("writing to a String cannot fail");
        }
        for GroupReport { group, limit, in_flight, queued, shed } in group_reports(&self.0) {
            write!(table, "\ngroup {group}: {in_flight} of {limit} in flight, {queued} queued, {shed} shed")
                .expect("writing to a String cannot fail");
        }
        if let Some(limit) = self.0.filter().connections() {
            write!(table, "\nconnections per address: {} refused, {} not counted", limit.refused(), limit.overflows())
                .expect("writing to a String cannot fail");
        }
        if let Some(limit) = self.0.filter().bandwidth() {
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
struct LimitsHandler(Arc<Server<RateLimits>>);

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

impl AdminHandler for LimitsHandler {
    fn endpoints(&self) -> &'static [&'static str] {
        &["GET /limits"]
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        (request.path == "/limits").then(|| match request.method.as_str() {
            "GET" | "HEAD" => {
                let (limits, connections) = (self.0.filter().reports(), self.0.filter().connections());
                let connections_refused = connections.map(ConnectionLimit::refused);
                let bandwidth = self.0.filter().bandwidth().map(BandwidthLimit::report);
                let load_shedding = group_reports(&self.0).collect();
                AdminResponse::json(200, &LimitsBody { limits, connections_refused, bandwidth, load_shedding })
            }
            _ => AdminResponse::method_not_allowed("GET, HEAD"),
        })
    }
}
