//! The runs with workloads of their own, which a flag of the command line chooses.

use super::{Options, USUAL_ROUNDS, USUAL_SECONDS, WARM_UP_FRACTION, chosen};
use crate::{
    algorithms,
    chapters::{CHAPTERS, Chapter},
    datagrams, files, growth,
    peers::Peer,
    plan::{Plan, RunKind},
    workload::{self, Workload},
    zero_copy,
};

/// What a flag chooses.
pub(super) struct OwnSet {
    kind: RunKind,
    name: &'static str,
    chapters: Vec<&'static Chapter>,
    peers: Vec<Peer>,
    workloads: &'static [Workload],
    /// Those of a quick run.
    quick: Vec<&'static Workload>,
    least_bytes: u64,
}

impl Options {
    /// The one that is chosen, of those whose workloads can be named.
    pub(super) fn own_set(&self) -> Option<OwnSet> {
        let of = |numbers: &[u8]| CHAPTERS.iter().filter(|chapter| numbers.contains(&chapter.number)).collect();
        if self.zero_copy {
            return Some(OwnSet {
                kind: RunKind::ZeroCopy,
                name: "zero-copy",
                chapters: of(&zero_copy::CHAPTERS),
                peers: vec![Peer::HaProxy, Peer::Nginx],
                workloads: &zero_copy::WORKLOADS,
                quick: zero_copy::workloads(true),
                least_bytes: 0,
            });
        }
        if self.files {
            return Some(OwnSet {
                kind: RunKind::Files,
                name: "files",
                chapters: vec![&files::PROGRAM],
                peers: vec![Peer::Nginx],
                workloads: &files::WORKLOADS,
                quick: files::WORKLOADS.iter().collect(),
                least_bytes: files::LEAST_BYTES,
            });
        }
        self.datagrams.then(|| OwnSet {
            kind: RunKind::Datagrams,
            name: "datagrams",
            chapters: of(&[datagrams::CHAPTER]),
            peers: vec![Peer::Nginx],
            workloads: &datagrams::WORKLOADS,
            quick: datagrams::WORKLOADS.iter().take(1).collect(),
            least_bytes: 0,
        })
    }

    pub(super) fn plan_of_own_set(&self, set: &OwnSet) -> Result<Plan, String> {
        let (rounds, seconds) = self.rounds_of(1, USUAL_SECONDS);
        let workloads = match &self.workloads {
            Some(list) => chosen(list, set.workloads.iter(), |workload| workload.name.to_owned(), "workload")?,
            None if self.quick => set.quick.clone(),
            None => set.workloads.iter().collect(),
        };
        let is_narrowed = self.workloads.is_some() || self.quick;
        let is_short = self.quick || seconds < USUAL_SECONDS;
        Ok(Plan {
            kind: set.kind,
            set: if self.workloads.is_some() { self.set() } else { set.name.to_owned() },
            command: self.command(),
            peers_named: true,
            peers: set.peers.clone(),
            workers: 1,
            chapters: set.chapters.clone(),
            workloads,
            rounds,
            warm_up: seconds.mul_f64(WARM_UP_FRACTION),
            seconds,
            least_bytes: if is_short { 0 } else { set.least_bytes },
            is_full: !is_narrowed && rounds >= USUAL_ROUNDS && !is_short,
        })
    }

    pub(super) fn plan_of_algorithms(&self) -> Plan {
        let (rounds, seconds) = self.rounds_of(3, USUAL_SECONDS);
        Plan {
            kind: RunKind::Algorithms,
            set: "algorithms".to_owned(),
            command: self.command(),
            peers_named: true,
            peers: Vec::new(),
            workers: 1,
            chapters: algorithms::chapter().into_iter().collect(),
            workloads: vec![&workload::BY_ALGORITHM],
            rounds,
            warm_up: seconds.mul_f64(WARM_UP_FRACTION),
            seconds,
            least_bytes: 0,
            is_full: !self.quick && rounds >= USUAL_ROUNDS && seconds >= USUAL_SECONDS,
        }
    }

    pub(super) fn plan_of_growth(&self) -> Result<Plan, String> {
        if !cfg!(target_os = "linux") {
            return Err("--growth needs Linux: only there all addresses of 127.0.0.0/8 are local".to_owned());
        }
        let (rounds, seconds) = self.rounds_of(1, growth::WINDOW);
        Ok(Plan {
            kind: RunKind::Growth,
            set: "growth".to_owned(),
            command: self.command(),
            peers_named: true,
            peers: vec![Peer::HaProxy],
            workers: 1,
            chapters: growth::chapter().into_iter().collect(),
            workloads: growth::rungs(self.quick),
            rounds,
            // A smoke test does not wait for the first health checks.
            warm_up: if self.quick { seconds.mul_f64(WARM_UP_FRACTION) } else { growth::WARM_UP },
            seconds,
            least_bytes: 0,
            is_full: !self.quick && rounds >= USUAL_ROUNDS && seconds >= growth::WINDOW,
        })
    }
}
