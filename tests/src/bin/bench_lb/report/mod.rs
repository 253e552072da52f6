//! The result of a run: every round's figures, their medians and the ratios. It is stored as JSON, and every table and
//! plot is made from that file's contents.

mod compare;
mod json;
mod pages;
mod plot;
mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use compare::Comparison;

use crate::{
    machine::Machine,
    metric::{Base, Metric, Sample},
    session::Measured,
    stats::{Spread, rounded},
};

/// A run and its results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) about: About,
    pub(crate) results: Vec<Entry>,
}

/// The circumstances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) command: String,
    pub(crate) date: String,
    pub(crate) machine: Machine,
    /// Versions of the peers.
    pub(crate) versions: BTreeMap<String, String>,
    /// The bare names of nginx and HAProxy are their lean configurations. Results without this field are older: there
    /// they are the equal ones.
    #[serde(default)]
    pub(crate) lean: bool,
    /// The profile in which our programs were built.
    pub(crate) profile: String,
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    pub(crate) workers: usize,
    /// Whether the target shares no CPU core with the load and the origins.
    pub(crate) cores_apart: bool,
    /// What was skipped or failed, and why.
    pub(crate) notes: Vec<String>,
}

/// The results of one target in one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) workload: String,
    pub(crate) what: String,
    pub(crate) target: String,
    pub(crate) clients: usize,
    pub(crate) medians: BTreeMap<Metric, Spread>,
    /// Ratios of the [headline](Entry::headline), by round.
    pub(crate) ratios: BTreeMap<Base, Spread>,
    /// System calls per request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) calls: BTreeMap<String, f64>,
    pub(crate) rounds: Vec<Sample>,
}

impl About {
    /// A target's name with its version, if it is a peer: `nginx 1.24.0 equal`.
    pub(crate) fn label(&self, target: &str) -> String {
        let (name, rest) = target.split_once(' ').map_or((target, None), |(name, rest)| (name, Some(rest)));
        let Some(version) = self.versions.get(name) else { return target.to_owned() };
        // Without the distributor's suffix.
        let version = version.split(['-', '+', '~']).next().unwrap_or_default();
        rest.map_or_else(|| format!("{name} {version}"), |rest| format!("{name} {version} {rest}"))
    }

    /// What a reader of a plot has to know.
    pub(crate) fn caveat(&self) -> String {
        let Machine { cpu, cores, is_virtual, .. } = &self.machine;
        let kind = if *is_virtual { "virtual cores" } else { "cores" };
        format!("{cpu}, {cores} {kind}; loopback; bodies of 14 bytes")
    }
}

impl Report {
    pub(crate) fn new(about: About, measured: Vec<Measured>) -> Self {
        let mut results: Vec<Entry> = measured.into_iter().map(Entry::new).collect();
        let all = results.clone();
        for entry in &mut results {
            let same: Vec<&Entry> = all.iter().filter(|other| other.workload == entry.workload).collect();
            entry.ratios = Base::ALL.into_iter().filter_map(|base| Some((base, entry.ratio(base, &same)?))).collect();
        }
        Self { about, results }
    }

    /// The workloads, in the order they ran.
    pub(crate) fn workloads(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for entry in &self.results {
            if !names.contains(&entry.workload.as_str()) {
                names.push(&entry.workload);
            }
        }
        names
    }

    /// The entries of one workload.
    pub(crate) fn of(&self, workload: &str) -> impl Iterator<Item = &Entry> {
        self.results.iter().filter(move |entry| entry.workload == workload)
    }
}

impl Entry {
    fn new(measured: Measured) -> Self {
        let samples = &measured.samples;
        let metrics: Vec<Metric> = samples.iter().flat_map(|sample| sample.figures.keys().copied()).collect();
        let spread = |metric| {
            let figures = samples.iter().filter_map(|sample| sample.figures.get(&metric).copied());
            Some((metric, Spread::of(figures)?.rounded()))
        };
        Self {
            workload: measured.workload.name.to_owned(),
            what: measured.workload.what.to_owned(),
            target: measured.target,
            clients: measured.workload.clients,
            medians: metrics.into_iter().filter_map(spread).collect(),
            ratios: BTreeMap::new(),
            calls: measured.calls,
            rounds: measured.samples,
        }
    }

    pub(crate) fn errors(&self) -> u64 {
        self.rounds.iter().map(|sample| sample.errors).sum()
    }

    pub(crate) fn median(&self, metric: Metric) -> Option<f64> {
        self.medians.get(&metric).map(|spread| spread.median)
    }

    /// The workload's headline metric.
    pub(crate) fn headline(&self) -> Metric {
        if self.medians.contains_key(&Metric::BytesPerClient) { Metric::BytesPerClient } else { Metric::CpuUs }
    }

    /// The ratio per round, then the median: a disturbance of a round affects both targets.
    fn ratio(&self, base: Base, same: &[&Self]) -> Option<Spread> {
        let metric = self.headline();
        let ratios = self.rounds.iter().filter_map(|sample| {
            let others = same.iter().filter(|other| base.targets().contains(&other.target.as_str()));
            let rounds = others.flat_map(|other| other.rounds.iter().filter(|round| round.round == sample.round));
            let best = rounds.filter_map(|round| round.figures.get(&metric).copied()).reduce(f64::min)?;
            Some(sample.figures.get(&metric)? / best)
        });
        Spread::of(ratios).map(Spread::rounded)
    }
}

impl Spread {
    fn rounded(self) -> Self {
        let Self { median, min, q1, q3, max } = self;
        Self { median: rounded(median), min: rounded(min), q1: rounded(q1), q3: rounded(q3), max: rounded(max) }
    }
}

#[cfg(test)]
pub(crate) mod tests;
