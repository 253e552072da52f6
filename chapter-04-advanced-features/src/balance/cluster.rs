//! All groups, and the way of a request to one of them.

use std::{net::IpAddr, sync::Arc, time::Instant};

use common::http::{HeadView, Refusal};

use super::{
    backend::Backend,
    group::{Group, Wish},
    policy::hash,
};
use crate::routing::{HashKey, RequestFacts, Routes};

/// The groups and the rules between them. (Chapter 10 swaps one cluster for another.)
#[derive(Debug)]
pub struct Cluster {
    groups: Vec<Arc<Group>>,
    routes: Routes,
    /// For requests that no rule takes.
    default: Arc<Group>,
    hash_key: HashKey,
    /// Whether a request has to be looked at: there are rules, cookies, or keys in it.
    looks: bool,
}

/// Where a request goes, and what it wants there.
pub type Direction = (Arc<Group>, Wish);

impl Cluster {
    /// A cluster of `groups`, by whose places `routes` name them. `default` is one of them, or a group without
    /// backends if there is none for requests that no rule takes.
    pub fn new(groups: Vec<Arc<Group>>, routes: Routes, default: Arc<Group>, hash_key: HashKey) -> Self {
        let looks = !routes.is_empty() || !hash_key.is_source() || groups.iter().any(|group| group.sticky().is_some());
        Self { groups, routes, default, hash_key, looks }
    }

    /// The groups, in the order of the command line.
    pub fn groups(&self) -> &[Arc<Group>] {
        &self.groups
    }

    /// Whether requests for this group are for nobody: no rule took them.
    pub fn is_nowhere(&self, group: &Arc<Group>) -> bool {
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
    pub fn direct(
        &self,
        head: HeadView<'_>,
        client: IpAddr,
        now: Instant,
    ) -> Result<(Direction, Option<Vec<u8>>), Refusal> {
        if !self.looks {
            let wish = Wish { hash: self.source(client), sticky: None, client: Some(client) };
            return Ok(((Arc::clone(&self.default), wish), None));
        }
        let facts = RequestFacts::of(head).map_err(|_| Refusal::Target)?;
        let routed = self.routes.select(&facts).map(|place| &self.groups[place]);
        let group = routed.unwrap_or(&self.default);
        let presented = group.sticky().and_then(|sticky| sticky.presented(facts.fields("cookie")));
        let wish = Wish {
            hash: self.hash_key.of(&facts, client, hash::hash),
            sticky: presented.and_then(|value| group.tied_to(value, now)),
            client: Some(client),
        };
        Ok(((Arc::clone(group), wish), facts.rewritten_target()))
    }
    // ANCHOR_END: direct

    fn source(&self, client: IpAddr) -> u64 {
        debug_assert!(self.hash_key.is_source());
        crate::routing::hash_key::source(client, hash::hash)
    }
}
