//! The command line as typed, and the [`Plan`] that it resolves to.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Parser;
use common::cli::EarlyExit;
use integration_tests::command_line;

use crate::{
    algorithms,
    chapters::{CHAPTERS, Chapter},
    peers::Peer,
    workload::{self, Workload},
};

/// The duration of a round. With all peers, two seconds would make a full run take over an hour.
const USUAL_SECONDS: Duration = Duration::from_secs(1);

/// Compares the chapters with other proxies and a floor that only moves bytes
///
/// Every target gets the same workloads, in interleaved rounds (A B C A B C), on its own CPU core; load and origins run
/// on the others. The headline is the CPU time per request of the target's processes. Peers that are not installed are
/// skipped. A full run writes tests/bench/results, a narrower one target/bench. Ctrl-C ends the run and leaves no
/// process behind.
#[derive(Debug, Parser)]
#[command(name = "bench-lb")]
pub(crate) struct Options {
    /// Chapters, such as 2,3 [default: all that exist]
    #[arg(long, value_name = "LIST")]
    chapters: Option<String>,
    /// Peers, of nginx,haproxy,pingora,envoy,traefik,caddy; '' for none [default: those installed; pingora if it is built]
    #[arg(long, value_name = "LIST")]
    peers: Option<String>,
    /// Workloads, of those listed by --list [default: all]
    #[arg(long, value_name = "LIST")]
    workloads: Option<String>,
    /// Measure only chapter 4's program, under each of its algorithms, with one slow backend of three
    #[arg(long, conflicts_with_all = ["chapters", "peers", "workloads", "workers"])]
    algorithms: bool,
    /// List the workloads and exit
    #[arg(long)]
    pub(crate) list: bool,
    /// Rounds per workload and target [default: 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// Duration of each measured round in seconds [default: 1]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<Duration>,
    /// CPU cores for the target, and its workers if it has the flag
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,
    /// Smoke test: three rounds of half a second, get-64 only
    #[arg(long)]
    quick: bool,
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

/// The resolved run: what is measured, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) chapters: Vec<&'static Chapter>,
    pub(crate) peers: Vec<Peer>,
    /// The peers were named on the command line, so one that has to be built is built.
    pub(crate) peers_named: bool,
    pub(crate) workloads: Vec<&'static Workload>,
    /// Chapter 4's program is run under each of its algorithms.
    pub(crate) algorithms: bool,
    pub(crate) rounds: u32,
    pub(crate) seconds: Duration,
    pub(crate) workers: usize,
    /// The name of the results file.
    pub(crate) set: String,
    /// Every target and workload is included, so the results may replace the committed ones.
    pub(crate) is_full: bool,
    /// The command line to repeat the run, without file locations.
    pub(crate) command: String,
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
        let (rounds, seconds) = self.rounds_of();
        let narrowed = self.chapters.is_some() || self.peers.is_some() || self.workloads.is_some() || self.quick;
        let is_full = !narrowed && rounds >= 7 && seconds >= USUAL_SECONDS;
        Ok(Plan {
            set: self.set(),
            command: self.command(),
            peers_named: self.peers.is_some(),
            peers: peers.into_iter().copied().collect(),
            workers: usize::from(self.workers),
            algorithms: false,
            chapters,
            workloads,
            rounds,
            seconds,
            is_full,
        })
    }

    fn plan_of_algorithms(&self) -> Plan {
        let (rounds, seconds) = self.rounds_of();
        Plan {
            set: "algorithms".to_owned(),
            command: self.command(),
            peers_named: true,
            peers: Vec::new(),
            workers: 1,
            algorithms: true,
            chapters: algorithms::chapter().into_iter().collect(),
            workloads: vec![&workload::BY_ALGORITHM],
            rounds,
            seconds,
            is_full: !self.quick && rounds >= 7 && seconds >= USUAL_SECONDS,
        }
    }

    /// How many rounds, and how long each is.
    fn rounds_of(&self) -> (u32, Duration) {
        let (rounds, seconds) = if self.quick { (3, Duration::from_millis(500)) } else { (7, USUAL_SECONDS) };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, EarlyExit> {
        let words = line.split(' ').filter(|word| !word.is_empty()).map(|word| word.trim_matches('\''));
        Options::read(std::iter::once("bench_lb").chain(words).map(OsString::from))
    }

    fn plan(line: &str) -> Result<Plan, String> {
        options(line).unwrap().plan()
    }

    #[test]
    fn without_arguments_it_is_the_full_run() {
        let plan = plan("--").unwrap();
        assert!(plan.is_full && plan.set == "ladder" && plan.command == "cargo bench-lb");
        assert_eq!((plan.workloads.len(), plan.peers.len(), plan.rounds), (workload::ALL.len(), 6, 7));
        assert!(plan.chapters.iter().any(|chapter| chapter.number == 2));
    }

    #[test]
    fn narrower_runs_are_not_the_committed_ones() {
        for line in ["--quick", "--chapters 2", "--peers ''", "--workloads idle", "--rounds 3", "--seconds 0.5"] {
            assert!(!plan(line).unwrap().is_full, "{line}");
        }
        let quick = plan("--quick --peers '' --chapters 3 --rounds 1").unwrap();
        assert_eq!(quick.workloads.len(), 1);
        assert!(quick.peers.is_empty() && quick.peers_named);
        assert_eq!(quick.command, "cargo bench-lb --chapters 3 --peers '' --rounds 1 --quick");
        let two = plan("--workers 2").unwrap();
        assert!(two.is_full && two.set == "ladder-2-workers");
        assert_eq!(plan("--workloads idle,get-1").unwrap().set, "idle+get-1");
    }

    #[test]
    fn algorithms_are_a_run_of_their_own() {
        let plan = plan("-- --algorithms").unwrap();
        assert!(plan.is_full && plan.algorithms && plan.set == "algorithms" && plan.peers.is_empty());
        assert_eq!((plan.command.as_str(), plan.rounds, plan.seconds.as_secs()), ("cargo bench-lb --algorithms", 7, 1));
        for line in ["--algorithms --quick", "--algorithms --rounds 3", "--algorithms --seconds 0.5"] {
            assert!(!super::tests::plan(line).unwrap().is_full, "{line}");
        }
        for line in ["--algorithms --peers nginx", "--algorithms --workloads idle", "--algorithms --workers 2"] {
            assert_eq!(options(line).unwrap_err().code, 64, "{line}");
        }
    }

    #[test]
    fn names_that_do_not_exist_are_refused_with_those_that_do() {
        for (line, expected) in [
            ("--chapters 1", "there is no chapter '1' here; there are 2, 3"),
            ("--peers squid", "there is no peer 'squid' here; there are nginx, haproxy, pingora, envoy"),
            ("--workloads get", "there is no workload 'get' here; there are get-1, get-64"),
        ] {
            let why = plan(line).unwrap_err();
            assert!(why.starts_with(expected), "{why}");
        }
        for line in ["--rounds 0", "--seconds 0", "--seconds nan", "--workers 0", "--compare", "more", "--chapter 2"] {
            assert_eq!(options(line).unwrap_err().code, 64, "{line}");
        }
    }
}
