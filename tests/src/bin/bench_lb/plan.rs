//! The resolved run: what is measured, how, and about how long that takes.

use std::time::Duration;

use crate::{
    chapters::Chapter,
    peers::Peer,
    workload::{Manner, Workload},
};

/// What a round takes besides its warm-up and its window: starting and stopping the programs.
const START_AND_STOP: Duration = Duration::from_millis(400);

/// At most this part of the open files of chapter 6's program is idle connections.
const IDLE_FD_DIVISOR: u64 = 4;

/// Which results a run produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunKind {
    /// The chapters, the peers and the floor, compared.
    Ladder,
    /// Chapter 4's program under each of its algorithms, with a slow backend.
    Algorithms,
    /// Chapter 6's program and HAProxy with more and more backends, routes and clients.
    Growth,
    /// Ways to move the bytes of a connection: chapter 9's program beside HAProxy and nginx.
    ZeroCopy,
    /// Chapter 9's file server beside nginx.
    Files,
    /// Chapter 9's program as a balancer of datagrams beside nginx.
    Datagrams,
}

/// The resolved run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) kind: RunKind,
    pub(crate) chapters: Vec<&'static Chapter>,
    pub(crate) peers: Vec<Peer>,
    /// The peers were named on the command line, so one that has to be built is built.
    pub(crate) peers_named: bool,
    pub(crate) workloads: Vec<&'static Workload>,
    pub(crate) rounds: u32,
    pub(crate) warm_up: Duration,
    /// The duration of a round's window.
    pub(crate) seconds: Duration,
    /// A window is extended until the bodies of large responses have so many bytes.
    pub(crate) least_bytes: u64,
    pub(crate) workers: usize,
    /// The name of the results file.
    pub(crate) set: String,
    /// Every target and workload is included, so the results may replace the committed ones.
    pub(crate) is_full: bool,
    /// The command line to repeat the run, without file locations.
    pub(crate) command: String,
}

impl Plan {
    /// Removes the rungs that need more than `open_files`; returns a line for each. The ladder keeps its workloads: a
    /// client that lacks a descriptor is counted as an error there.
    pub(crate) fn skip_beyond(&mut self, open_files: u64) -> Vec<String> {
        if self.kind != RunKind::Growth {
            return Vec::new();
        }
        let fits = |workload: &&'static Workload| workload.open_files() as u64 <= open_files;
        let (kept, skipped) = self.workloads.drain(..).partition(fits);
        self.workloads = kept;
        let line = |workload: &Workload| {
            let (name, needed) = (workload.name, workload.open_files());
            format!("{name} is skipped: it needs {needed} open files, and the limit is {open_files} (ulimit -Hn)")
        };
        skipped.into_iter().map(line).collect()
    }

    /// A line for each rung with more backends than our programs keep idle connections: a quarter of their open files.
    pub(crate) fn small_pools(&self, open_files: u64) -> Vec<String> {
        let line = |workload: &&Workload| {
            let (name, backends) = (workload.name, workload.origins.backends());
            let possible = open_files / IDLE_FD_DIVISOR;
            (backends as u64 > possible).then(|| {
                format!(
                    "{name}: the limit of {open_files} open files leaves chapter 6 a pool of {possible} connections for \
                     {backends} backends, so requests include connects: see conns/1000"
                )
            })
        };
        let is_loaded = |workload: &&&Workload| workload.rung.is_some() && workload.manner != Manner::ChecksOnly;
        self.workloads.iter().filter(is_loaded).filter_map(line).collect()
    }

    /// One line about the duration of a run of so many `rounds` in total.
    pub(crate) fn estimate(&self, rounds: u64) -> String {
        let round = (self.warm_up.mul_f64(1.25) + self.seconds + START_AND_STOP).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand rounds")]
        let seconds = round * rounds as f64;
        let total = if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) };
        format!("{rounds} rounds of about {round:.1} s: about {total}")
    }
}
