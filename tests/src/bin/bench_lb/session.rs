//! All rounds of all workloads, interleaved over the targets (A B C A B C): a disturbance of the machine affects one
//! round of every target, not every round of one target.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use crate::{
    metric::{Metric, Sample},
    progress::Progress,
    round::Bench,
    stats::Spread,
    target::Target,
    workload::{self, Manner, Workload},
};

/// The result of one workload for one target.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) workload: &'static Workload,
    pub(crate) target: String,
    pub(crate) samples: Vec<Sample>,
    /// System calls per request by name; empty if they were not counted.
    pub(crate) calls: BTreeMap<String, f64>,
}

/// A run in progress.
pub(crate) struct Session<'a> {
    bench: &'a Bench,
    targets: &'a [Target],
    rounds: u32,
    measured: Vec<Measured>,
    /// Maximum requests per second of each target.
    maxima: BTreeMap<String, f64>,
    /// Workloads and targets that failed: their other rounds are skipped.
    failed: BTreeSet<(&'static str, String)>,
    /// Failures, one per line.
    notes: Vec<String>,
    progress: Progress,
}

impl<'a> Session<'a> {
    /// Runs everything. A failure is noted, and the other targets go on; an error means that the run was interrupted.
    pub(crate) fn run(
        bench: &'a Bench,
        targets: &'a [Target],
        workloads: &[&'static Workload],
        rounds: u32,
    ) -> io::Result<(Vec<Measured>, Vec<String>)> {
        let mut session = Session {
            bench,
            targets,
            rounds,
            measured: Vec::new(),
            maxima: BTreeMap::new(),
            failed: BTreeSet::new(),
            notes: Vec::new(),
            progress: Progress::new(Self::rounds(bench, targets, workloads, rounds)),
        };
        for interleaved in workloads.chunk_by(|one, next| one.is_interleaved_with(next)) {
            session.interleave(interleaved)?;
        }
        Ok((session.measured, session.notes))
    }

    /// The number of rounds of a run, over all workloads and targets.
    pub(crate) fn rounds(bench: &Bench, targets: &[Target], workloads: &[&'static Workload], rounds: u32) -> u64 {
        let per_workload = |workload: &&Workload| {
            let able = targets.iter().filter(|target| target.can(workload)).count() as u64;
            able * (u64::from(rounds) + u64::from(workload.counts_calls && bench.strace.is_some()))
        };
        workloads.iter().map(per_workload).sum()
    }

    /// One workload, or the rungs of a scale: all their pairs with a target take part in each round.
    fn interleave(&mut self, workloads: &[&'static Workload]) -> io::Result<()> {
        let targets = self.targets;
        let able = |workload: &'static Workload| {
            let targets = targets.iter().filter(move |target| target.can(workload));
            targets.map(move |target| (workload, target))
        };
        let pairs: Vec<_> = workloads.iter().copied().flat_map(able).collect();
        let first = self.measured.len();
        self.measured.extend(pairs.iter().map(|(workload, target)| Measured {
            workload,
            target: target.name.clone(),
            samples: Vec::new(),
            calls: BTreeMap::new(),
        }));
        for round in 1..=self.rounds {
            for (at, &(workload, target)) in pairs.iter().enumerate() {
                self.progress.step(workload.name, &target.name, &format!("round {round}"));
                let sample = self.attempt(workload, target, |session| session.round(workload, target))?;
                self.measured[first + at].samples.extend(sample.map(|sample| Sample { round, ..sample }));
            }
        }
        for (at, &(workload, target)) in pairs.iter().enumerate() {
            if workload.counts_calls && self.bench.strace.is_some() {
                self.progress.step(workload.name, &target.name, "system calls");
                let calls = self.attempt(workload, target, |session| session.bench.calls(workload, target))?;
                self.measured[first + at].calls = calls.unwrap_or_default();
            }
        }
        self.measured.retain(|measured| !measured.samples.is_empty());
        Ok(())
    }

    /// Notes a failure; returns an interruption as an error.
    fn attempt<T>(
        &mut self,
        workload: &'static Workload,
        target: &Target,
        work: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let pair = (workload.name, target.name.clone());
        if self.failed.contains(&pair) {
            return Ok(None);
        }
        let error = match work(self) {
            Ok(result) => return Ok(Some(result)),
            Err(error) => error,
        };
        if self.bench.stop.is_draining() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted; no results were written"));
        }
        self.failed.insert(pair);
        self.notes.push(format!("{}, {}: {error}", workload.name, target.name));
        Ok(None)
    }

    fn round(&mut self, workload: &Workload, target: &Target) -> io::Result<Sample> {
        let rate = match workload.manner {
            Manner::Open { part } => Some(part * self.maximum(target)?),
            _ => None,
        };
        self.bench.round(workload, target, rate)
    }

    /// From the rounds of the base workload if it ran, otherwise from one round of it now.
    fn maximum(&mut self, target: &Target) -> io::Result<f64> {
        if let Some(known) = self.maxima.get(&target.name) {
            return Ok(*known);
        }
        let rate = |sample: &Sample| sample.figures.get(&Metric::RequestsPerS).copied();
        let is_base = |measured: &&Measured| {
            measured.workload.name == workload::BASE && measured.target == target.name && !measured.samples.is_empty()
        };
        let measured = self.measured.iter().find(is_base);
        let rates: Vec<f64> = if let Some(measured) = measured {
            measured.samples.iter().filter_map(rate).collect()
        } else {
            let base = Workload::named(workload::BASE).ok_or_else(|| io::Error::other("no base workload"))?;
            rate(&self.bench.round(base, target, None)?).into_iter().collect()
        };
        let maximum = Spread::of(rates).ok_or_else(|| io::Error::other("its maximum is not known"))?.median;
        self.maxima.insert(target.name.clone(), maximum);
        Ok(maximum)
    }
}
