//! Compares two runs: which medians got worse by more than both runs' spreads.

use std::fmt;

use super::{Entry, Report, table::number};
use crate::{metric::Metric, stats::Spread};

/// A smaller change is ignored, however steady the rounds were.
const SMALLEST: f64 = 0.01;

/// A median that changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    workload: String,
    target: String,
    metric: Metric,
    before: Spread,
    after: Spread,
}

/// The result of the comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) worse: Vec<Change>,
    better: Vec<Change>,
    /// The number of medians that both runs have.
    compared: usize,
    /// Other reasons why the figures may differ.
    caveats: Vec<String>,
}

impl Comparison {
    pub(crate) fn new(old: &Report, new: &Report) -> Self {
        let mut comparison = Self { caveats: caveats(old, new), ..Self::default() };
        for entry in &new.results {
            let Some(before) = old.of(&entry.workload).find(|other| other.target == entry.target) else { continue };
            comparison.add(before, entry);
        }
        comparison
    }

    fn add(&mut self, before: &Entry, after: &Entry) {
        for (&metric, &new) in &after.medians {
            let (Some(&old), Some(lower_is_better)) = (before.medians.get(&metric), metric.lower_is_better()) else {
                continue;
            };
            self.compared += 1;
            if (new.median - old.median).abs() < SMALLEST * old.median {
                continue;
            }
            let list = match (new.is_above(&old), old.is_above(&new)) {
                (false, false) => continue,
                (rose, _) if rose == lower_is_better => &mut self.worse,
                _ => &mut self.better,
            };
            let (workload, target) = (after.workload.clone(), after.target.clone());
            list.push(Change { workload, target, metric, before: old, after: new });
        }
    }
}

fn caveats(old: &Report, new: &Report) -> Vec<String> {
    let (old, new) = (&old.about, &new.about);
    let mut caveats = Vec::new();
    if old.machine != new.machine {
        caveats.push("the machines differ: compare ratios to a peer, not absolute figures".to_owned());
    }
    if (&old.profile, old.workers) != (&new.profile, new.workers) {
        caveats.push("the runs differ in profile or workers".to_owned());
    }
    if old.versions != new.versions {
        caveats.push("the peers' versions differ".to_owned());
    }
    if old.lean != new.lean {
        caveats.push("nginx and haproxy add other headers: lean in the newer run, as ours in the older".to_owned());
    }
    caveats
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for caveat in &self.caveats {
            writeln!(f, "{caveat}")?;
        }
        let (worse, better) = (self.worse.len(), self.better.len());
        writeln!(f, "{worse} of {} medians got worse beyond both spreads, {better} got better", self.compared)?;
        for (word, changes) in [("worse", &self.worse), ("better", &self.better)] {
            for change in changes {
                writeln!(f, "  {word:<6}  {change}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, target, metric, before, after } = self;
        let spread =
            |spread: &Spread| format!("{} ({}..{})", number(spread.median), number(spread.q1), number(spread.q3));
        let percent = (after.median / before.median - 1.0) * 100.0;
        let title = metric.title();
        write!(f, "{workload}, {target}, {title}: {} -> {}, {percent:+.1} %", spread(before), spread(after))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    /// The report with the figures of one target multiplied.
    fn with(metric: Metric, factor: f64) -> Report {
        let mut report = report(1.0);
        let entry = report.results.iter_mut().find(|entry| entry.target == "chapter 3").unwrap();
        let spread = entry.medians.get_mut(&metric).unwrap();
        for figure in [&mut spread.median, &mut spread.min, &mut spread.q1, &mut spread.q3, &mut spread.max] {
            *figure *= factor;
        }
        report
    }

    #[test]
    fn same_run_has_no_changes() {
        let comparison = Comparison::new(&report(1.0), &report(2.0));
        assert_eq!((comparison.worse.len(), comparison.better.len()), (0, 0), "{comparison}");
        assert!(comparison.compared > 50 && comparison.caveats.is_empty());
    }

    #[test]
    fn what_is_worse_depends_on_the_figure() {
        let base = report(1.0);
        for (metric, factor, worse, better) in [
            (Metric::CpuUs, 1.2, 1, 0),
            (Metric::CpuUs, 0.8, 0, 1),
            (Metric::CpuUs, 1.012, 0, 0),
            (Metric::RequestsPerS, 0.8, 1, 0),
            (Metric::RequestsPerS, 1.2, 0, 1),
        ] {
            let comparison = Comparison::new(&base, &with(metric, factor));
            assert_eq!((comparison.worse.len(), comparison.better.len()), (worse, better), "{metric:?} {factor}");
        }
        let text = Comparison::new(&base, &with(Metric::CpuUs, 1.2)).to_string();
        assert!(text.contains("get-64, chapter 3, CPU µs/req: 65.3"), "{text}");
        assert!(text.contains("+20.0 %"), "{text}");
    }

    #[test]
    fn change_of_less_than_a_hundredth_is_none() {
        // The memory of these synthetic rounds is the same in each: no spread.
        for (factor, worse) in [(1.005, 0), (1.02, 1)] {
            let mut after = report(1.0);
            let idle = after.results.iter_mut().find(|entry| entry.workload == "idle").unwrap();
            let spread = idle.medians.get_mut(&Metric::PeakRssKib).unwrap();
            *spread = Spread::of([spread.median * factor]).unwrap();
            assert_eq!(Comparison::new(&report(1.0), &after).worse.len(), worse, "{factor}");
        }
    }

    #[test]
    fn another_machine_is_a_caveat() {
        let mut other = report(1.0);
        other.about.machine.cores = 64;
        assert_eq!(Comparison::new(&report(1.0), &other).caveats.len(), 1);
    }

    #[test]
    fn results_from_before_the_lean_configurations_can_be_read_and_are_a_caveat() {
        let mut old = serde_json::to_value(report(1.0)).unwrap();
        old["about"].as_object_mut().unwrap().remove("lean");
        let old: Report = serde_json::from_value(old).unwrap();
        assert_eq!(Comparison::new(&old, &report(1.0)).caveats.len(), 1);
    }
}
