//! `/stats`: the statistics that SIGUSR1 prints, as JSON.

use std::sync::Arc;

use advanced_features::admin::{
    AdminHandler, AdminOperations as _, AdminRequest, AdminResponse,
    status::{BackendStatus, GroupStatus},
};
use common::clock::now;
use connection_pooling::{ClientBytes, PoolReport};
use rate_limiting::filter::LimitReport;
use serde::Serialize;

use super::read;
use crate::{
    observers::{self, ObservedServer},
    record::worker_block::WorkerBlock,
};

/// Serves the statistics.
#[derive(Debug)]
pub struct StatsHandler(pub Arc<ObservedServer>);

#[derive(Serialize)]
struct Stats {
    /// Requests that have ended.
    requests: u64,
    /// Those that failed, as `lb_requests_failed_total` counts them.
    failed: u64,
    connections_accepted: u64,
    connections_active: u64,
    bytes_received: u64,
    bytes_sent: u64,
    groups: Vec<GroupStatus>,
    backends: Vec<BackendStatus>,
    pool: PoolReport,
    limits: Vec<LimitReport>,
    /// Client connections of each worker.
    workers: Vec<usize>,
}

impl StatsHandler {
    fn stats(&self) -> Stats {
        let Self(server) = self;
        let (now, balancer) = (now(), server.balancer());
        let (metrics, limits) = (observers::metrics(server), observers::limits(server));
        let (router, clients) = (balancer.router(), balancer.stats());
        let slots = 0..metrics.layout().slots().len();
        let sum = |count: &dyn Fn(&WorkerBlock, usize) -> u64| -> u64 {
            metrics.workers().iter().map(|block| slots.clone().map(|slot| count(block, slot)).sum::<u64>()).sum()
        };
        let ClientBytes { received, sent } = server.client_bytes();
        let backends = router
            .groups()
            .iter()
            .flat_map(|group| group.members().into_iter().map(move |backend| BackendStatus::new(group, &backend, now)));
        Stats {
            requests: sum(&|block, slot| block.requests(slot)),
            failed: sum(&|block, slot| block.failed(slot)),
            connections_accepted: clients.connections_accepted(),
            connections_active: clients.connections_active(),
            bytes_received: received,
            bytes_sent: sent,
            groups: router.groups().iter().map(|group| GroupStatus::new(group, now)).collect(),
            backends: backends.collect(),
            pool: server.pool_status(),
            limits: limits.reports(),
            workers: server.clients_per_worker().collect(),
        }
    }
}

impl AdminHandler for StatsHandler {
    fn endpoints(&self) -> &'static [&'static str] {
        &["GET /stats"]
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        read(request, "/stats", || AdminResponse::json(200, &self.stats()))
    }
}
