//! All groups, and the way of a request to one of them.

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
    /// For requests that no rule takes.
    default_group: Arc<Group>,
    hash_key: HashKey,
    /// Whether a request has to be looked at: there are rules, cookies, or keys in it.
    inspects_requests: bool,
}

/// Where a request goes, and what it wants there.
pub type RouteDecision = (Arc<Group>, Affinity);

impl Cluster {
    /// A cluster of `groups`, by whose places `routes` name them. `default` is one of them, or a group without
    /// backends if there is none for requests that no rule takes.
    pub fn new(groups: Vec<Arc<Group>>, routes: RouteTable, default_group: Arc<Group>, hash_key: HashKey) -> Self {
        let inspects_requests =
            !routes.is_empty() || !hash_key.is_source() || groups.iter().any(|group| group.sticky().is_some());
        Self { groups, routes, default_group, hash_key, inspects_requests }
    }

    /// The groups, in the order of the command line.
    pub fn groups(&self) -> &[Arc<Group>] {
        &self.groups
    }

    /// Whether requests for this group are for nobody: no rule took them.
    pub fn is_unrouted(&self, group: &Arc<Group>) -> bool {
        !self.groups.iter().any(|known| Arc::ptr_eq(known, group))
    }

    /// The backends of all groups.
    pub fn backends(&self) -> Vec<Arc<Backend>> {
        self.groups.iter().flat_map(|group| group.members()).collect()
    }

    // ANCHOR: direct
    /// Where a request of `client` goes, with a target to send on in place of the one that came, where the rules saw
    /// another than was written.
    ///
    /// # Errors
    /// A path that can be read in two ways.
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
        let cookie_value = group.sticky().and_then(|sticky| sticky.read_value(info.header_values("cookie")));
        let wish = Affinity {
            hash: self.hash_key.hash_request(&info, client, hash::hash),
            sticky_backend: cookie_value.and_then(|value| group.find_sticky_backend(value, now)),
            client: Some(client),
        };
        Ok(((Arc::clone(group), wish), info.rewritten_target()))
    }
    // ANCHOR_END: direct

    fn source_hash(&self, client: IpAddr) -> u64 {
        debug_assert!(self.hash_key.is_source());
        crate::routing::hash_key::hash_source(client, hash::hash)
    }
}
