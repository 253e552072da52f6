//! The result of a run: every round's figures, their medians and the ratios. It is stored as JSON, and every table and
//! plot is made from that file's contents.

mod beside_nginx;
mod compare;
mod json;
mod pages;
mod plot;
mod table;
mod zero_copy;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use compare::Comparison;

use crate::{
    machine::Machine,
    metric::{Base, Metric, Sample},
    rung::{Rung, Scale},
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
    /// Its place in `--growth` or in `--zero-copy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rung: Option<Rung>,
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

    /// What a reader of a plot of small requests has to know.
    pub(crate) fn caveat(&self) -> String {
        format!("{}; bodies of 14 bytes", self.place())
    }

    /// Where a run took place.
    pub(crate) fn place(&self) -> String {
        let Machine { cpu, cores, is_virtual, .. } = &self.machine;
        let kind = if *is_virtual { "virtual cores" } else { "cores" };
        format!("{cpu}, {cores} {kind}; loopback")
    }
}

impl Report {
    pub(crate) fn new(about: About, measured: Vec<Measured>) -> Self {
        let mut results: Vec<Entry> = measured.into_iter().map(Entry::new).collect();
        let all = results.clone();
        for entry in &mut results {
            let same = all.iter().filter(|other| other.workload == entry.workload);
            let to = |base: Base| {
                let others = same.clone().filter(|other| base.targets().contains(&other.target.as_str()));
                Some((base, entry.ratio(&others.collect::<Vec<_>>())?))
            };
            let first = entry.first_rung(&all).and_then(|first| Some((Base::FirstRung, entry.ratio(&[first])?)));
            entry.ratios = Base::TARGETS.into_iter().filter_map(to).chain(first).collect();
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

    /// The entries of one scale by target, each from its first rung.
    pub(crate) fn of_scale(&self, scale: Scale) -> Vec<Vec<&Entry>> {
        let mut targets: Vec<Vec<&Entry>> = Vec::new();
        for entry in self.results.iter().filter(|entry| entry.rung.is_some_and(|rung| rung.scale == scale)) {
            match targets.iter_mut().find(|rungs| rungs[0].target == entry.target) {
                Some(rungs) => rungs.push(entry),
                None => targets.push(vec![entry]),
            }
        }
        targets
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
            rung: measured.workload.rung,
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
        // In a scale of bodies only the largest ones have a figure per byte.
        let bulk = (self.rung.map(|rung| rung.scale) != Some(Scale::Body)).then_some(Metric::CpuSPerGib);
        let mut special = [Metric::BytesPerClient, Metric::CpuMsPerS].into_iter().chain(bulk);
        special.find(|metric| self.medians.contains_key(metric)).unwrap_or(Metric::CpuUs)
    }

    /// The smallest rung of its scale for the same target, which may be itself; `None` unless the scale is of `--growth`.
    fn first_rung<'a>(&self, all: &'a [Self]) -> Option<&'a Self> {
        let scale = self.rung.map(|rung| rung.scale).filter(|scale| scale.is_of_growth())?;
        let same = all.iter().filter(|other| other.target == self.target);
        same.filter(|other| other.rung.is_some_and(|rung| rung.scale == scale))
            .min_by_key(|other| other.rung.map(|rung| rung.size))
    }

    /// The ratio to the best of `others` per round, then the median: a disturbance of a round affects both.
    fn ratio(&self, others: &[&Self]) -> Option<Spread> {
        let metric = self.headline();
        let ratios = self.rounds.iter().filter_map(|sample| {
            let rounds =
                others.iter().flat_map(|other| other.rounds.iter().filter(|round| round.round == sample.round));
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
