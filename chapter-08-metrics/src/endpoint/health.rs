//! `/healthz` and `/readyz`: whether the process lives, and whether it should get requests.
//!
//! The names and the difference are those of Kubernetes: a process that is not alive is restarted, one that is not
//! ready gets no new requests. A balancer whose backends are down is alive: restarting it would not help.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use advanced_features::{
    Balancer,
    admin::{AdminHandler, AdminOperations as _, AdminRequest, AdminResponse},
    balance::group::Group,
};
use common::{clock::now, shutdown::Shutdown};
use serde::Serialize;

use super::read;
use crate::exposition::backend_collector::is_up;

/// Serves both.
#[derive(Clone, Debug)]
pub struct HealthHandler {
    balancer: Arc<Balancer>,
    /// Set when the balancer runs.
    shutdown: Arc<OnceLock<Shutdown>>,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    draining: bool,
    /// Groups that requests are routed to, and that have no backend which is up.
    groups_without_backends: Vec<String>,
}

impl HealthHandler {
    /// Of this balancer, which is not ready before [`running`](Self::running).
    pub fn new(balancer: Arc<Balancer>) -> Self {
        Self { balancer, shutdown: Arc::default() }
    }

    /// The balancer runs until `shutdown`.
    pub fn running(&self, shutdown: &Shutdown) {
        let _ = self.shutdown.set(shutdown.clone()); // it runs once
    }

    /// Whether the balancer is shutting down.
    pub fn is_draining(&self) -> bool {
        self.shutdown.get().is_some_and(Shutdown::is_draining)
    }

    fn readiness(&self) -> Readiness {
        let draining = self.is_draining();
        let groups_without_backends = self.groups_without_backends();
        let ready = self.shutdown.get().is_some() && !draining && groups_without_backends.is_empty();
        Readiness { ready, draining, groups_without_backends }
    }

    /// Of the groups that a rule leads to, and the one for requests that no rule matches: those without a backend that
    /// is up.
    fn groups_without_backends(&self) -> Vec<String> {
        let (config, router) = (self.balancer.config(), self.balancer.router());
        let indexes: BTreeSet<_> =
            config.routes.names().iter().map(|route| route.group).chain(config.default_group).collect();
        let groups = indexes.into_iter().filter_map(|index| router.groups().get(index));
        groups.filter(|group| !has_backend(group)).map(|group| group.name().to_owned()).collect()
    }
}

fn has_backend(group: &Group) -> bool {
    let now = now();
    group.members().iter().any(|backend| backend.weight() > 0 && is_up(backend.state(now)))
}

impl AdminHandler for HealthHandler {
    fn endpoints(&self) -> &'static [&'static str] {
        &["GET /healthz", "GET /readyz"]
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        let alive = || AdminResponse::text(200, "text/plain; charset=utf-8", "ok\n".to_owned());
        let ready = || {
            let readiness = self.readiness();
            AdminResponse::json(if readiness.ready { 200 } else { 503 }, &readiness)
        };
        read(request, "/healthz", alive).or_else(|| read(request, "/readyz", ready))
    }
}
