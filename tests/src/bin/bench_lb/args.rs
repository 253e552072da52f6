//! The command line as typed; it resolves to a [`Plan`].

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Parser;
use common::cli::EarlyExit;
use integration_tests::command_line;

use crate::{
    chapters::CHAPTERS,
    peers::Peer,
    plan::{Plan, RunKind},
    workload,
};

/// The duration of a round. With all peers, two seconds would make a full run take over an hour.
const USUAL_SECONDS: Duration = Duration::from_secs(1);

/// The rounds of every pair of workload and target: enough for quartiles.
const USUAL_ROUNDS: u32 = 7;

/// The warm-up, relative to the window.
const WARM_UP_FRACTION: f64 = 0.25;

/// Compares the chapters with other proxies and a floor that only moves bytes
///
/// Every target gets the same workloads, in interleaved rounds (A B C A B C), on its own CPU core; load and origins run
/// on the others. The headline is the CPU time per request of the target's processes. Peers that are not installed are
/// skipped. A full run writes tests/bench/results, a narrower one target/bench. Ctrl-C ends the run and leaves no
/// process behind.
#[derive(Debug, Parser)]
#[command(name = "bench-lb")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Options {
    /// Chapters, such as 2,3 [default: all that exist]
    #[arg(long, value_name = "LIST")]
    chapters: Option<String>,
    /// Peers, of nginx,haproxy,pingora,envoy,traefik,caddy; '' for none [default: those installed; pingora if it is built]
    #[arg(long, value_name = "LIST")]
    peers: Option<String>,
    /// Workloads, of those listed by --list; with --zero-copy, --files or --datagrams, of its own [default: all]
    #[arg(long, value_name = "LIST")]
    workloads: Option<String>,
    /// Measure only chapter 4's program, under each of its algorithms, with one slow backend of three
    #[arg(long, conflicts_with_all = ["chapters", "peers", "workloads", "workers"])]
    algorithms: bool,
    /// Measure only how the CPU time per request of chapter 6's program and HAProxy grows with backends, routes, clients
    #[arg(long, conflicts_with_all = ["algorithms", "chapters", "peers", "workloads", "workers"])]
    growth: bool,
    /// Measure only the ways to move a connection's bytes, copied and spliced: chapter 9's program, HAProxy, nginx
    #[arg(long, conflicts_with_all = ["algorithms", "growth", "chapters", "peers", "workers"])]
    zero_copy: bool,
    /// Measure only chapter 9's file server and nginx, with large and with small files
    #[arg(long, conflicts_with_all = ["algorithms", "growth", "zero_copy", "chapters", "peers", "workers"])]
    files: bool,
    /// Measure only chapter 9's program as a balancer of UDP datagrams, and nginx
    #[arg(long, conflicts_with_all = ["algorithms", "growth", "zero_copy", "files", "chapters", "peers", "workers"])]
    datagrams: bool,
    /// List the workloads and exit
    #[arg(long)]
    pub(crate) list: bool,
    /// Rounds per workload and target [default: 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// Duration of each measured round in seconds [default: 1; with --growth 2]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<Duration>,
    /// CPU cores for the target, and its workers if it has the flag
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,
    /// Smoke test: three rounds of half a second, get-64 only; with --growth and the like one, of few rungs
    #[arg(long)]
    pub(crate) quick: bool,
    /// Directory for the results
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Report what got worse since the results in OLD; with NEW, compare the two files and measure nothing
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 1..=2)]
    pub(crate) compare: Vec<PathBuf>,
    /// Directory with built programs, instead of building them
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) bin_dir: Option<PathBuf>,
}

impl Options {
    /// Reads a command line; the first of `args` is the program.
    pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, EarlyExit> {
        command_line::read(args)
    }

    /// Resolves the command line; an error names what does not exist.
    pub(crate) fn plan(&self) -> Result<Plan, String> {
        if self.algorithms {
            return Ok(self.plan_of_algorithms());
        }
        if self.growth {
            return self.plan_of_growth();
        }
        if let Some(set) = self.own_set() {
            return self.plan_of_own_set(&set);
        }
        let workloads = match (&self.workloads, self.quick) {
            (Some(list), _) => chosen(list, workload::ALL.iter(), |workload| workload.name.to_owned(), "workload")?,
            (None, true) => workload::ALL.iter().filter(|workload| workload.name == workload::BASE).collect(),
            (None, false) => workload::ALL.iter().collect(),
        };
        let here = || CHAPTERS.iter().filter(|chapter| chapter.exists());
        let chapters = match &self.chapters {
            Some(list) => chosen(list, here(), |chapter| chapter.number.to_string(), "chapter")?,
            None => here().collect(),
        };
        let peers = match &self.peers {
            Some(list) => chosen(list, Peer::ALL.iter(), |peer| peer.name().to_owned(), "peer")?,
            None => Peer::ALL.iter().collect(),
        };
        let (rounds, seconds) = self.rounds_of(3, USUAL_SECONDS);
        let narrowed = self.chapters.is_some() || self.peers.is_some() || self.workloads.is_some() || self.quick;
        let is_full = !narrowed && rounds >= USUAL_ROUNDS && seconds >= USUAL_SECONDS;
        Ok(Plan {
            set: self.set(),
            command: self.command(),
            peers_named: self.peers.is_some(),
            peers: peers.into_iter().copied().collect(),
            workers: usize::from(self.workers),
            kind: RunKind::Ladder,
            chapters,
            workloads,
            rounds,
            warm_up: seconds.mul_f64(WARM_UP_FRACTION),
            seconds,
            least_bytes: 0,
            is_full,
        })
    }

    /// How many rounds, with `--quick` so many, and how long each is.
    fn rounds_of(&self, quick_rounds: u32, usual: Duration) -> (u32, Duration) {
        let (rounds, seconds) =
            if self.quick { (quick_rounds, Duration::from_millis(500)) } else { (USUAL_ROUNDS, usual) };
        (self.rounds.unwrap_or(rounds), self.seconds.unwrap_or(seconds))
    }

    fn set(&self) -> String {
        let set = match (&self.workloads, self.quick) {
            (Some(list), _) => words(list).collect::<Vec<_>>().join("+"),
            (None, true) => "quick".to_owned(),
            (None, false) => "ladder".to_owned(),
        };
        if self.workers == 1 { set } else { format!("{set}-{}-workers", self.workers) }
    }

    fn command(&self) -> String {
        let list = |flag: &str, list: &Option<String>| {
            let names = words(list.as_deref()?).collect::<Vec<_>>().join(",");
            Some(format!("--{flag} {}", if names.is_empty() { "''" } else { &names }))
        };
        let parts = [
            Some("cargo bench-lb".to_owned()),
            self.algorithms.then(|| "--algorithms".to_owned()),
            self.growth.then(|| "--growth".to_owned()),
            self.zero_copy.then(|| "--zero-copy".to_owned()),
            self.files.then(|| "--files".to_owned()),
            self.datagrams.then(|| "--datagrams".to_owned()),
            list("chapters", &self.chapters),
            list("peers", &self.peers),
            list("workloads", &self.workloads),
            self.rounds.map(|rounds| format!("--rounds {rounds}")),
            self.seconds.map(|seconds| format!("--seconds {}", seconds.as_secs_f64())),
            (self.workers != 1).then(|| format!("--workers {}", self.workers)),
            self.quick.then(|| "--quick".to_owned()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Those of `all` that the list names, in the order of `all`.
fn chosen<T>(
    list: &str,
    all: impl Iterator<Item = &'static T>,
    name: impl Fn(&T) -> String,
    what: &str,
) -> Result<Vec<&'static T>, String> {
    let all: Vec<&'static T> = all.collect();
    for word in words(list) {
        if !all.iter().any(|known| name(known) == word) {
            let known: Vec<_> = all.iter().map(|known| name(known)).collect();
            return Err(format!("there is no {what} '{word}' here; there are {}", known.join(", ")));
        }
    }
    Ok(all.into_iter().filter(|known| words(list).any(|word| word == name(known))).collect())
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.05..=600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected seconds, from 0.05 to 600".to_owned()),
    }
}

mod own_sets;
#[cfg(test)]
mod tests;
