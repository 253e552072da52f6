//! All groups, and the routing of a request to one of them.

use std::{net::IpAddr, sync::Arc, time::Instant};

use common::http::{ProtocolError, RouteId};

use super::{
    backend::Backend,
    group::{Affinity, Group},
    policy::hash,
};
use crate::routing::{RequestInfo, RouteTable};

/// The groups and the rules between them. (Chapter 10 swaps one router for another.)
#[derive(Debug)]
pub struct Router {
    groups: Vec<Arc<Group>>,
    routes: RouteTable,
    /// For requests that no rule matches.
    default_group: Arc<Group>,
    /// Whether requests must be inspected: there are rules, affinity cookies, or a hash key from the request.
    inspects_requests: bool,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub struct RouteDecision {
    /// The group; its [`id`](Group::id) is `None` if no rule matches and there is no default group.
    pub group: Arc<Group>,
    /// The request's affinity to a backend of that group.
    pub affinity: Affinity,
    /// The rule that matched; `None` if none did.
    pub route: Option<RouteId>,
}

impl Router {
    /// A router of `groups`; `routes` refer to them by index. `default_group` is one of them, or a group without
    /// backends if requests that no rule matches are to be rejected.
    pub fn new(groups: Vec<Arc<Group>>, routes: RouteTable, default_group: Arc<Group>) -> Self {
        let needs_head =
            |group: &Arc<Group>| group.sticky_cookie().is_some() || !group.lb_policy().hash_key.is_source();
        let inspects_requests = !routes.is_empty() || groups.iter().any(needs_head);
        Self { groups, routes, default_group, inspects_requests }
    }

    /// The groups, in the order of the command line.
    pub fn groups(&self) -> &[Arc<Group>] {
        &self.groups
    }

    /// The backends of all groups.
    pub fn backends(&self) -> Vec<Arc<Backend>> {
        self.groups.iter().flat_map(|group| group.members()).collect()
    }

    // ANCHOR: route
    /// Routes a request. Also returns the target to forward where the normalized target differs from the received one.
    ///
    /// # Errors
    /// An ambiguous path.
    pub fn route(
        &self,
        info: &mut RequestInfo<'_>,
        now: Instant,
    ) -> Result<(RouteDecision, Option<Vec<u8>>), ProtocolError> {
        let client = Some(info.client);
        if !self.inspects_requests {
            let group = Arc::clone(&self.default_group);
            info.group = group.id();
            let affinity = Affinity { hash: self.source_hash(info.client), sticky_backend: None, client };
            return Ok((RouteDecision { group, affinity, route: None }, info.rewritten_target()));
        }
        info.check_path().map_err(|_| ProtocolError::RequestTarget)?;
        let matched = self.routes.match_rule(info);
        let group = matched.map_or(&self.default_group, |(_, group)| &self.groups[group]);
        let route = matched.map(|(route, _)| route);
        (info.route, info.group) = (route, group.id());
        let cookie_value = group.sticky_cookie().and_then(|sticky| sticky.read_value(info.header_values("cookie")));
        let affinity = Affinity {
            hash: group.lb_policy().hash_key.hash_request(info, info.client, hash::hash),
            sticky_backend: cookie_value.and_then(|value| group.find_sticky_backend(value, now)),
            client,
        };
        Ok((RouteDecision { group: Arc::clone(group), affinity, route }, info.rewritten_target()))
    }
    // ANCHOR_END: route

    /// Where a connection goes whose bytes are not read as requests: to the group with this index, or to the default
    /// group. What is hashed is the client's address.
    pub fn route_connection(&self, group: Option<usize>, client: IpAddr) -> RouteDecision {
        let group = group.and_then(|index| self.groups.get(index)).unwrap_or(&self.default_group);
        let hash = crate::routing::hash_key::hash_source(client, hash::hash);
        let affinity = Affinity { hash, sticky_backend: None, client: Some(client) };
        RouteDecision { group: Arc::clone(group), affinity, route: None }
    }

    fn source_hash(&self, client: IpAddr) -> u64 {
        debug_assert!(self.default_group.lb_policy().hash_key.is_source());
        crate::routing::hash_key::hash_source(client, hash::hash)
    }
}
