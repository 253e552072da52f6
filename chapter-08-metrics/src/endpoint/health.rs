//! `/healthz` and `/readyz`: whether the process lives, and whether it should get requests.
//!
//! The names and the difference are those of Kubernetes: a process that is not alive is restarted, one that is not
//! ready gets no new requests. A balancer whose backends are down is alive: restarting it would not help.

use std::sync::{Arc, OnceLock};

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

    fn readiness(&self) -> Readiness {
        let draining = self.shutdown.get().is_some_and(Shutdown::is_draining);
        let groups_without_backends: Vec<_> = self.routed_groups().filter(|group| !has_backend(group)).collect();
        let names = groups_without_backends.iter().map(|group| group.name().to_owned()).collect::<Vec<_>>();
        let ready = self.shutdown.get().is_some() && !draining && names.is_empty();
        Readiness { ready, draining, groups_without_backends: names }
    }

    /// The groups that a rule leads to, and the one for requests that no rule matches.
    fn routed_groups(&self) -> impl Iterator<Item = Arc<Group>> {
        let config = self.balancer.config();
        let router = self.balancer.router();
        let is_routed = |index: usize| {
            config.default_group == Some(index) || config.routes.names().iter().any(|route| route.group == index)
        };
        let groups = router.groups().iter().enumerate().filter(|(index, _)| is_routed(*index));
        groups.map(|(_, group)| Arc::clone(group)).collect::<Vec<_>>().into_iter()
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
