//! All groups, and the routing of a request to one of them.

use std::{net::IpAddr, sync::Arc, time::Instant};

use common::http::{HeadView, ProtocolError};

use super::{
    backend::Backend,
    group::{Affinity, Group},
    policy::hash,
};
use crate::routing::{HashKey, RequestInfo, RouteTable};

/// The groups and the rules between them. (Chapter 10 swaps one cluster for another.)
#[derive(Debug)]
pub struct Cluster {
    groups: Vec<Arc<Group>>,
    routes: RouteTable,
    /// For requests that no rule matches.
    default_group: Arc<Group>,
    hash_key: HashKey,
    /// Whether requests must be inspected: there are rules, affinity cookies, or a hash key from the request.
    inspects_requests: bool,
}

/// The group that a request goes to, and its affinity there.
pub type RouteDecision = (Arc<Group>, Affinity);

impl Cluster {
    /// A cluster of `groups`; `routes` refer to them by index. `default_group` is one of them, or a group without
    /// backends if requests that no rule matches are to be rejected.
    pub fn new(groups: Vec<Arc<Group>>, routes: RouteTable, default_group: Arc<Group>, hash_key: HashKey) -> Self {
        let inspects_requests =
            !routes.is_empty() || !hash_key.is_source() || groups.iter().any(|group| group.sticky_cookie().is_some());
        Self { groups, routes, default_group, hash_key, inspects_requests }
    }

    /// The groups, in the order of the command line.
    pub fn groups(&self) -> &[Arc<Group>] {
        &self.groups
    }

    /// Whether this group is the placeholder for requests that no rule matches.
    pub fn has_no_route(&self, group: &Arc<Group>) -> bool {
        !self.groups.iter().any(|known| Arc::ptr_eq(known, group))
    }

    /// The backends of all groups.
    pub fn backends(&self) -> Vec<Arc<Backend>> {
        self.groups.iter().flat_map(|group| group.members()).collect()
    }

    // ANCHOR: direct
    /// Routes a request of `client`. Returns the decision, and the target to forward where the normalized target
    /// differs from the received one.
    ///
    /// # Errors
    /// An ambiguous path.
    pub fn route(
        &self,
        head: HeadView<'_>,
        client: IpAddr,
        now: Instant,
    ) -> Result<(RouteDecision, Option<Vec<u8>>), ProtocolError> {
        if !self.inspects_requests {
            let affinity = Affinity { hash: self.source_hash(client), sticky_backend: None, client: Some(client) };
            return Ok(((Arc::clone(&self.default_group), affinity), None));
        }
        let info = RequestInfo::from_head(head).map_err(|_| ProtocolError::RequestTarget)?;
        let matched = self.routes.match_group(&info).map(|index| &self.groups[index]);
        let group = matched.unwrap_or(&self.default_group);
        let cookie_value = group.sticky_cookie().and_then(|sticky| sticky.read_value(info.header_values("cookie")));
        let affinity = Affinity {
            hash: self.hash_key.hash_request(&info, client, hash::hash),
            sticky_backend: cookie_value.and_then(|value| group.find_sticky_backend(value, now)),
            client: Some(client),
        };
        Ok(((Arc::clone(group), affinity), info.rewritten_target()))
    }
    // ANCHOR_END: direct

    fn source_hash(&self, client: IpAddr) -> u64 {
        debug_assert!(self.hash_key.is_source());
        crate::routing::hash_key::hash_source(client, hash::hash)
    }
}
