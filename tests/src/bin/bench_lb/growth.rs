//! `--growth`: how the CPU time per request grows with backends, routes and clients, and what health checks cost.
//!
//! Each rung is a workload, and each algorithm of chapter 6 a target, so that sessions and rounds stay what they are.

use std::{path::Path, time::Duration};

use crate::{
    chapters::Chapter,
    peers::Peer,
    rung::{Rung, Scale},
    target::{Kind, Target},
    template::Headers,
    workload::{Manner, Origins, SMALL, Workload},
};

/// The chapter whose program is measured: the first one with a pool of connections on an event loop.
const CHAPTER: u8 = 6;

/// The window: a whole interval of health checks, so that each backend is checked once in it.
pub(crate) const WINDOW: Duration = Duration::from_secs(2);

/// The warm-up. Chapter 6 and HAProxy spread the first checks over an interval of 2 s, and meanwhile the pool fills.
pub(crate) const WARM_UP: Duration = Duration::from_millis(2_500);

/// For the rungs that would take too long with all algorithms: one that counts, one that searches, one that hashes.
const FEW: &[&str] = &["rr", "lc", "maglev", "haproxy roundrobin"];
/// For the scales that do not depend on the algorithm.
const ROUND_ROBIN: &[&str] = &["rr", "haproxy roundrobin"];
const ALL: &[&str] = &[];

/// The rungs of `--quick`.
const QUICK: [&str; 7] =
    ["backends-3", "backends-10", "routes-1", "routes-1000", "clients-64", "clients-512", "checks-3"];

/// As many as the most backends, so that a hash may reach all of them.
const KEYS: usize = 10_000;

/// All rungs, each scale from its first rung, which the others are compared with.
static RUNGS: [Workload; 14] = [
    backends("backends-3", 3, ALL),
    backends("backends-10", 10, FEW),
    backends("backends-100", 100, ALL),
    backends("backends-1000", 1_000, ALL),
    backends("backends-10000", 10_000, FEW),
    routes("routes-1", 1, &["/route-0/page", "/other/page"]),
    routes("routes-1000", 1_000, &["/route-999/page", "/other/page"]),
    clients("clients-64", 64),
    clients("clients-512", 512),
    clients("clients-2000", 2_000),
    clients("clients-8000", 8_000),
    checks("checks-3", 3),
    checks("checks-1000", 1_000),
    checks("checks-10000", 10_000),
];

const fn backends(name: &'static str, size: usize, only: &'static [&'static str]) -> Workload {
    Workload {
        name,
        what: "small keep-alive GET of 10,000 paths, 64 clients, health checks on",
        keys: KEYS,
        origins: Origins::Addresses(size),
        rung: Some(Rung { scale: Scale::Backends, size }),
        only,
        ..SMALL
    }
}

/// Half of the requests match the last rule and half none. Three backends for those that match, three for the others.
const fn routes(name: &'static str, size: usize, paths: &'static [&'static str]) -> Workload {
    Workload {
        name,
        what: "small keep-alive GET, 64 clients; half of the requests match the last route, half match none",
        paths,
        routes: size,
        origins: Origins::Addresses(6),
        rung: Some(Rung { scale: Scale::Routes, size }),
        only: ROUND_ROBIN,
        ..SMALL
    }
}

const fn clients(name: &'static str, size: usize) -> Workload {
    Workload {
        name,
        what: "small keep-alive GET in a closed loop, 3 backends",
        clients: size,
        origins: Origins::Addresses(3),
        rung: Some(Rung { scale: Scale::Clients, size }),
        only: ROUND_ROBIN,
        ..SMALL
    }
}

const fn checks(name: &'static str, size: usize) -> Workload {
    Workload {
        name,
        what: "no clients: CPU time of the health checks alone, each backend every 2 s",
        clients: 0,
        manner: Manner::ChecksOnly,
        origins: Origins::Addresses(size),
        rung: Some(Rung { scale: Scale::Checks, size }),
        only: ROUND_ROBIN,
        ..SMALL
    }
}

/// The chapter whose program is measured.
pub(crate) fn chapter() -> Option<&'static Chapter> {
    Chapter::numbered(CHAPTER)
}

/// The rungs that are measured.
pub(crate) fn rungs(quick: bool) -> Vec<&'static Workload> {
    RUNGS.iter().filter(|rung| !quick || QUICK.contains(&rung.name)).collect()
}

/// HAProxy under the two algorithms that are not hashes, with the interval of checks that our programs have.
pub(crate) fn haproxy(program: &Path) -> impl Iterator<Item = Target> {
    ["roundrobin", "leastconn"].into_iter().map(|balance| Target {
        name: format!("{} {balance}", Peer::HaProxy.name()),
        balance,
        checks: true,
        ..Target::new(Kind::Peer(Peer::HaProxy, Headers::Lean), program.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_scale_is_in_one_piece_and_grows() {
        let scales: Vec<_> = RUNGS.chunk_by(Workload::is_interleaved_with).collect();
        assert_eq!(scales.len(), Scale::OF_GROWTH.len());
        for (scale, rungs) in Scale::OF_GROWTH.into_iter().zip(scales) {
            let sizes: Vec<usize> = rungs.iter().filter_map(|workload| workload.rung).map(|rung| rung.size).collect();
            assert!(rungs.iter().all(|workload| workload.rung.unwrap().scale == scale), "{scale:?}");
            assert!(sizes.is_sorted() && sizes.len() == rungs.len(), "{sizes:?}");
            for workload in rungs {
                let size = workload.rung.unwrap().size;
                assert_eq!(workload.name.rsplit_once('-').unwrap().1, size.to_string());
            }
        }
    }

    #[test]
    fn quick_run_has_the_first_rung_of_each_scale() {
        let quick = rungs(true);
        assert_eq!(quick.len(), QUICK.len(), "a name is misspelt");
        let scales: BTreeSet<_> = quick.iter().map(|workload| workload.rung.unwrap().scale.unit()).collect();
        assert_eq!(scales.len(), 3, "backends twice");
        assert!(quick.len() < rungs(false).len());
    }

    #[test]
    fn many_clients_need_many_open_files() {
        let files = |name| RUNGS.iter().find(|workload| workload.name == name).unwrap().open_files();
        assert!(
            files("clients-8000") < 20_000 && files("backends-10000") > 18_000,
            "two for each client, one for each backend"
        );
        assert!(files("clients-64") < 12_000);
    }
}
