//! What a target is started with: its backends, their division into groups, the routes to them, its limits.
//!
//! Each kind of target gets the same topology in its own words: as arguments, or as lines and a map for a peer's file.

use std::{fmt::Write as _, net::SocketAddr};

use crate::peers::Peer;

/// The backends of one round, and how a target is to use them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Topology<'a> {
    pub(crate) backends: &'a [SocketAddr],
    /// The number of routing rules. With any, the second half of the backends is the group that they lead to.
    pub(crate) routes: usize,
    pub(crate) max_clients: usize,
    /// The idle connections that its pool may keep; `None`: its default.
    pub(crate) pool: Option<usize>,
    /// The size of a pipe that it splices through; `None`: its default.
    pub(crate) pipe_bytes: Option<usize>,
    pub(crate) workers: usize,
}

impl<'a> Topology<'a> {
    /// The backends of the default group, and those of the group that routes lead to.
    fn groups(&self) -> (&'a [SocketAddr], &'a [SocketAddr]) {
        let default = if self.routes == 0 { self.backends.len() } else { self.backends.len() / 2 };
        self.backends.split_at(default)
    }

    /// The arguments for the default group.
    pub(crate) fn backend_words(&self, one_backend: bool) -> Vec<String> {
        let (default, _) = self.groups();
        match default {
            [first, ..] if one_backend => vec![first.ip().to_string(), first.port().to_string()],
            all => all.iter().map(SocketAddr::to_string).collect(),
        }
    }

    /// The arguments for the group that routes lead to, and for the routes.
    pub(crate) fn route_words(&self) -> Vec<String> {
        if self.routes == 0 {
            return Vec::new();
        }
        let (_, members) = self.groups();
        let members: Vec<_> = members.iter().map(SocketAddr::to_string).collect();
        let mut words = vec!["--group".to_owned(), format!("routed={}", members.join(","))];
        let rules = (0..self.routes).map(|route| format!("path=/route-{route}/* -> routed"));
        words.extend(rules.flat_map(|rule| ["--route".to_owned(), rule]));
        words
    }

    /// The arguments for the pool.
    pub(crate) fn pool_words(&self) -> Vec<String> {
        let flags = ["--idle-per-backend", "--idle-total"];
        self.pool.into_iter().flat_map(|idle| flags.map(|flag| [flag.to_owned(), idle.to_string()])).flatten().collect()
    }

    /// The lines of a peer's file for the default group, and for the group that routes lead to. Their numbers differ.
    pub(crate) fn lines(&self, peer: Peer) -> [Vec<String>; 2] {
        let (default, members) = self.groups();
        let lines = |from: usize, group: &[SocketAddr]| {
            (from..).zip(group).map(|(number, addr)| peer.backend(number, *addr)).collect()
        };
        [lines(1, default), lines(1 + default.len(), members)]
    }

    /// The routes as a map of HAProxy.
    pub(crate) fn route_map(&self) -> String {
        let mut map = String::new();
        for route in 0..self.routes {
            // Writing into a string cannot fail.
            let _ = writeln!(map, "/route-{route}/ routed");
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_lead_to_the_second_half_of_the_backends() {
        let backends = [1, 2, 3, 4].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let topology =
            Topology { backends: &backends, routes: 2, max_clients: 9, pool: Some(8), pipe_bytes: None, workers: 1 };
        assert_eq!(topology.backend_words(false), ["127.0.0.1:1", "127.0.0.1:2"]);
        let group = ["--group", "routed=127.0.0.1:3,127.0.0.1:4"];
        let rules = ["--route", "path=/route-0/* -> routed", "--route", "path=/route-1/* -> routed"];
        assert_eq!(topology.route_words(), [&group[..], &rules[..]].concat());
        assert_eq!(topology.route_map(), "/route-0/ routed\n/route-1/ routed\n");
        assert_eq!(topology.pool_words(), ["--idle-per-backend", "8", "--idle-total", "8"]);
        let [default, routed] = topology.lines(Peer::HaProxy);
        assert_eq!((default.len(), routed[0].as_str()), (2, "server s3 127.0.0.1:3"));
    }

    #[test]
    fn without_routes_all_backends_are_one_group() {
        let backends = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let topology =
            Topology { backends: &backends, routes: 0, max_clients: 9, pool: None, pipe_bytes: None, workers: 1 };
        assert_eq!(topology.backend_words(true), ["127.0.0.1", "1"]);
        assert_eq!(topology.backend_words(false).len(), 2);
        assert!(topology.pool_words().is_empty() && topology.route_words().is_empty());
        assert!(topology.lines(Peer::Nginx)[1].is_empty());
    }
}
