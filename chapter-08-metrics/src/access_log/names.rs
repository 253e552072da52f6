//! The names behind ids.

use std::sync::Arc;

use advanced_features::Balancer;
use common::http::{BackendId, GroupId, LimitId, RouteId};

/// The names that the configuration gives. Those of backends are looked up: they come and go.
#[derive(Debug)]
pub struct Names {
    balancer: Arc<Balancer>,
    limits: Vec<String>,
}

/// One worker's names of backends, by slot: each is looked up once.
#[derive(Debug, Default)]
pub struct BackendNames(Vec<Option<(u32, Box<str>)>>);

impl Names {
    /// Those of `balancer` and of its limits.
    pub fn new(balancer: Arc<Balancer>, limits: Vec<String>) -> Self {
        Self { balancer, limits }
    }

    /// The name of a route: `default` if no rule matched, and empty if the request was never routed.
    pub fn route(&self, routed: bool, route: Option<RouteId>) -> &str {
        match route {
            Some(RouteId(id)) => {
                self.balancer.config().routes.names().get(usize::from(id)).map_or("", |route| route.name.as_str())
            }
            None if routed => "default",
            None => "",
        }
    }

    /// The name of a group.
    pub fn group(&self, group: Option<GroupId>) -> &str {
        let groups = self.balancer.groups();
        group.and_then(|GroupId(id)| groups.get(usize::from(id))).map_or("", |group| group.name())
    }

    /// The name of a rate limit.
    pub fn limit(&self, limit: Option<LimitId>) -> &str {
        limit.and_then(|LimitId(id)| self.limits.get(usize::from(id))).map_or("", String::as_str)
    }

    fn backend(&self, id: BackendId) -> Option<Box<str>> {
        let groups = self.balancer.groups();
        let found = groups.iter().find_map(|group| group.members().into_iter().find(|backend| backend.id() == id));
        found.map(|backend| backend.name().into())
    }
}

impl BackendNames {
    /// The name of a backend; empty if it was removed before this worker knew its name.
    pub fn name(&mut self, names: &Names, id: BackendId) -> &str {
        let slot = usize::from(id.slot);
        if self.0.len() <= slot {
            self.0.resize(slot + 1, None);
        }
        let known = &mut self.0[slot];
        if known.as_ref().is_none_or(|(generation, _)| *generation != id.generation) {
            *known = names.backend(id).map(|name| (id.generation, name));
        }
        known.as_ref().map_or("", |(_, name)| name)
    }
}
