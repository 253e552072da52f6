//! The report's plots: the ladder of the chapters, latency, memory, algorithms, growth, splicing.
//!
//! No background and colours of medium brightness, so that they are legible on light and dark pages.

mod curves;
mod dots;
mod ladder;
mod names;
mod style;

use std::{io, path::Path};

use self::{
    curves::{Curve, CurvePanel},
    dots::{Dots, Row},
    ladder::Rung,
};
use super::{
    Entry, Report,
    table::{latency, number, share},
};
use crate::{
    metric::{Base, Metric},
    rung::Scale,
    workload,
};

impl Report {
    /// Draws every plot for which the report has figures; returns the files' names.
    pub(crate) fn draw(&self, directory: &Path) -> io::Result<Vec<&'static str>> {
        let mut drawn = Vec::new();
        for (name, svg) in [
            ("ladder.svg", self.ladder()?),
            ("latency.svg", self.latency()?),
            ("memory.svg", self.memory()?),
            ("algorithms.svg", self.algorithms()?),
            ("growth.svg", self.growth()?),
            ("zero-copy.svg", self.zero_copy()?),
        ] {
            if let Some(svg) = svg {
                std::fs::write(directory.join(name), svg)?;
                drawn.push(name);
            }
        }
        Ok(drawn)
    }

    /// The targets in a plot: the equal configurations are only in the table.
    fn plotted(&self, workload: &str) -> impl Iterator<Item = &Entry> {
        self.of(workload).filter(|entry| !entry.target.ends_with(" equal"))
    }

    /// CPU time per small request: a bar per chapter, a line per peer.
    fn ladder(&self) -> io::Result<Option<String>> {
        let about = &self.about;
        let panel = |workload| {
            let rungs: Vec<Rung> = self.plotted(workload).filter_map(|entry| Rung::of(entry, about)).collect();
            let clients = self.of(workload).next()?.clients;
            rungs.iter().any(Rung::is_chapter).then(|| (format!("{clients} clients"), rungs))
        };
        let panels: Vec<_> = ["get-64", "get-512"].into_iter().filter_map(panel).collect();
        if panels.is_empty() { Ok(None) } else { ladder::draw(&panels, &about.caveat()).map(Some) }
    }

    /// Latency at half the maximum of each target, and close to it.
    fn latency(&self) -> io::Result<Option<String>> {
        let row = |entry: &Entry| {
            let figures = [entry.median(Metric::P50Us)?, entry.median(Metric::P99Us)?];
            Some(Row::of(self.about.label(&entry.target), entry, figures.to_vec()))
        };
        let panel = |(workload, part)| Dots {
            title: format!("Latency at {part} % of its own maximum, µs"),
            legend: "filled: p50, open: p99",
            rows: self.plotted(workload).filter_map(row).collect(),
            ..PLAIN
        };
        let panels = [("open-50", 50), ("open-80", 80)].map(panel);
        dots::draw(&panels, &self.about.caveat())
    }

    /// Memory per idle client.
    fn memory(&self) -> io::Result<Option<String>> {
        let row = |entry: &Entry| {
            let bytes = entry.median(Metric::BytesPerClient).filter(|bytes| *bytes > 0.0)?;
            Some(Row::of(self.about.label(&entry.target), entry, vec![bytes / 1_024.0]))
        };
        let panel = Dots {
            title: "Memory per idle client, KiB".to_owned(),
            legend: "of a fresh process, 2,000 clients that asked once",
            rows: self.plotted("idle").filter_map(row).collect(),
            ..PLAIN
        };
        dots::draw(&[panel], &self.about.caveat())
    }

    /// Latency with one slow backend, and that backend's share, under each algorithm.
    fn algorithms(&self) -> io::Result<Option<String>> {
        let row = |entry: &Entry| {
            let figures = [entry.median(Metric::P50Us)?, entry.median(Metric::P99Us)?];
            let note = entry.median(Metric::SlowPercent).map(share);
            Some(Row { colour: style::OURS, note, ..Row::of(self.about.label(&entry.target), entry, figures.to_vec()) })
        };
        let panel = Dots {
            title: "One backend of three is slow: latency by algorithm".to_owned(),
            legend: "filled: p50, open: p99",
            rows: self.of(workload::BY_ALGORITHM.name).filter_map(row).collect(),
            label: latency,
            tick: latency,
            notes: "requests to the slow one",
        };
        dots::draw(&[panel], &self.about.caveat())
    }

    /// How the CPU time per request grows with the number of backends, and with that of clients.
    fn growth(&self) -> io::Result<Option<String>> {
        let panel = |scale: Scale| CurvePanel {
            title: format!("CPU time per request by {}", scale.unit()),
            legend: "× its own first point; orange: chapter 6 under its algorithms",
            unit: scale.unit(),
            curves: self.curves(scale, Base::FirstRung),
        };
        curves::draw(&[Scale::Backends, Scale::Clients].map(panel), &self.about.caveat())
    }

    /// What splicing costs, by the size of its pipes and by that of bodies.
    fn zero_copy(&self) -> io::Result<Option<String>> {
        let panel = |scale: Scale| CurvePanel {
            title: format!("CPU time of splicing by {}", scale.name()),
            legend: "× --copy in the same round: below 1, splicing is cheaper",
            unit: scale.unit(),
            curves: self.curves(scale, Base::Copy),
        };
        curves::draw(&[Scale::Pipe, Scale::Body].map(panel), &self.about.place())
    }

    /// A curve for each target but the base itself.
    fn curves(&self, scale: Scale, base: Base) -> Vec<Curve> {
        let point = |entry: &&Entry| {
            let rung = entry.rung?;
            let size = u32::try_from(scale.shown(rung.size)).ok()?;
            Some((f64::from(size), entry.ratios.get(&base)?.median))
        };
        let curve = |rungs: &Vec<&Entry>| {
            let target = &rungs[0].target;
            let colour = if target.starts_with("haproxy") { style::PEER } else { style::OURS };
            let points: Vec<_> = rungs.iter().filter_map(point).collect();
            let last = number(points.last()?.1);
            Some(Curve { name: format!("{}: {last}", self.about.label(target)), colour, points })
        };
        let of_scale = self.of_scale(scale);
        of_scale.iter().filter(|rungs| !base.targets().contains(&rungs[0].target.as_str())).filter_map(curve).collect()
    }
}

/// Figures without units, and no notes.
const PLAIN: Dots = Dots {
    title: String::new(),
    legend: "",
    rows: Vec::new(),
    label: number,
    tick: |tick| tick.to_string(),
    notes: "",
};

impl Row {
    fn of(name: String, entry: &Entry, figures: Vec<f64>) -> Self {
        Self { name, colour: style::colour(&entry.target), figures, note: None }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{about, by_algorithm, growth, report, zero_copy};
    use super::*;

    /// GitHub shows larger ones, but they are too large for a page of text.
    const MAX_BYTES: u64 = 60_000;

    #[test]
    fn pictures_are_small_and_say_what_they_show() {
        let directory = tempfile::tempdir().unwrap();
        // To view them: BENCH_PLOTS=DIR cargo test -p integration-tests --bin bench_lb pictures
        let kept = std::env::var_os("BENCH_PLOTS").map(std::path::PathBuf::from);
        let directory = kept.as_deref().unwrap_or(directory.path());
        assert_eq!(report(1.0).draw(directory).unwrap(), ["ladder.svg", "latency.svg", "memory.svg"]);
        let algorithms =
            by_algorithm(&[("rr", 100_500.0, 33.33), ("rendezvous", 120_000.0, 31.0), ("lc", 940.0, 0.25)]);
        assert_eq!(algorithms.draw(directory).unwrap(), ["algorithms.svg"]);
        assert_eq!(growth().draw(directory).unwrap(), ["growth.svg"]);
        assert_eq!(zero_copy().draw(directory).unwrap(), ["zero-copy.svg"]);
        for (name, words) in [
            ("growth.svg", ["by backends", "by clients", "10,000", "rendezvous: "]),
            ("zero-copy.svg", ["by pipe size", "by body size", "1,024", "chapter 9 splice: 0.25"]),
            ("algorithms.svg", ["latency by algorithm", "rendezvous", "940 µs", "33.3 %"]),
            ("ladder.svg", ["CPU time per small request", "512 clients", "nginx 1.24.0: 17.0", "pingora: 55.4"]),
            ("latency.svg", ["at 50 %", "at 80 %", "chapter 3", "haproxy"]),
            ("memory.svg", ["Memory per idle client", "floor", "chapter 2", "haproxy"]),
        ] {
            let path = directory.join(name);
            assert!(std::fs::metadata(&path).unwrap().len() < MAX_BYTES, "{name}");
            let text = std::fs::read_to_string(&path).unwrap();
            for word in words.into_iter().chain(["A CPU, 2 virtual cores; loopback"]) {
                assert!(text.contains(word), "{name}: {word}");
            }
            assert_eq!(text.contains("bodies of 14 bytes"), name != "zero-copy.svg", "{name}");
            assert!(!text.contains("equal"), "{name}");
        }
    }

    #[test]
    fn an_empty_report_draws_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let report = Report::new(about(), Vec::new());
        assert_eq!(report.draw(directory.path()).unwrap(), Vec::<&str>::new());
    }
}
