//! The report as text: one table per workload.

use std::{collections::BTreeSet, fmt};

use super::{About, Entry, Report};
use crate::{
    metric::{Base, Metric},
    rung::Scale,
};

/// The columns of a scale: with a row for each rung, its tables are long enough.
const OF_SCALES: [Metric; 6] =
    [Metric::CpuUs, Metric::CpuSPerGib, Metric::CpuMsPerS, Metric::Busy, Metric::PeakRssKib, Metric::UpstreamPer1000];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = &self.about;
        let machine = &about.machine;
        let kind = if machine.is_virtual { ", virtual" } else { "" };
        writeln!(
            f,
            "{}, {} cores{kind}, {} MiB, Linux {}",
            machine.cpu, machine.cores, machine.memory_mib, machine.kernel
        )?;
        if !about.versions.is_empty() {
            let versions: Vec<_> = about.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
            writeln!(f, "{}", versions.join(", "))?;
        }
        writeln!(f, "median of {} rounds of {} s, workers: {}", about.rounds, about.seconds, about.workers)?;
        for workload in self.workloads() {
            let entries: Vec<&Entry> = self.of(workload).filter(|entry| entry.rung.is_none()).collect();
            write_table(f, about, workload, &entries)?;
        }
        for scale in Scale::ALL {
            write_table(f, about, scale.name(), &self.of_scale(scale).concat())?;
        }
        for note in &about.notes {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}

/// A title and the table; nothing without entries.
fn write_table(f: &mut fmt::Formatter<'_>, about: &About, title: &str, entries: &[&Entry]) -> fmt::Result {
    let Some(first) = entries.first() else { return Ok(()) };
    writeln!(f, "\n{title}: {}", first.what)?;
    aligned(&rows(about, entries)).iter().try_for_each(|line| writeln!(f, "  {line}"))
}

/// The heading and one row per target, or per target and rung; empty columns are left out.
fn rows(about: &About, entries: &[&Entry]) -> Vec<Vec<String>> {
    let mut metrics: BTreeSet<Metric> = entries.iter().flat_map(|entry| entry.medians.keys().copied()).collect();
    let scale = entries[0].rung.map(|rung| rung.scale);
    if scale.is_some() {
        metrics.retain(|metric| OF_SCALES.contains(metric));
    }
    let bases: BTreeSet<Base> = entries.iter().flat_map(|entry| entry.ratios.keys().copied()).collect();
    let has_calls = entries.iter().any(|entry| !entry.calls.is_empty());
    let headline = entries[0].headline();

    let mut heading = vec![String::new()];
    heading.extend(scale.map(|scale| scale.unit().to_owned()));
    for metric in &metrics {
        heading.push(metric.title().to_owned());
        if *metric == headline {
            heading.push("middle half".to_owned());
        }
    }
    heading.extend(has_calls.then(|| "calls/req".to_owned()));
    heading.push("errors".to_owned());
    heading.extend(bases.iter().map(|base| base.title().to_owned()));

    let mut rows = vec![heading];
    for entry in entries {
        let mut row = vec![about.label(&entry.target)];
        row.extend(entry.rung.map(|rung| rung.scale.shown(rung.size).to_string()));
        for metric in &metrics {
            let spread = entry.medians.get(metric);
            row.push(spread.map_or_else(dash, |spread| number(spread.median)));
            if *metric == headline {
                row.push(spread.map_or_else(dash, |spread| format!("{}..{}", number(spread.q1), number(spread.q3))));
            }
        }
        let calls = || if entry.calls.is_empty() { dash() } else { number(entry.calls.values().sum()) };
        row.extend(has_calls.then(calls));
        row.push(entry.errors().to_string());
        row.extend(
            bases.iter().map(|base| entry.ratios.get(base).map_or_else(dash, |ratio| format!("{:.2}", ratio.median))),
        );
        rows.push(row);
    }
    rows
}

fn dash() -> String {
    "-".to_owned()
}

/// As many digits as a reader compares.
pub(super) fn number(figure: f64) -> String {
    match figure.abs() {
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// Microseconds in readable units.
pub(super) fn latency(microseconds: f64) -> String {
    match microseconds {
        1_000_000.0.. => format!("{} s", digits(microseconds / 1_000_000.0)),
        1_000.0.. => format!("{} ms", digits(microseconds / 1_000.0)),
        _ => format!("{} µs", digits(microseconds)),
    }
}

/// In percent; very small shares keep their digits.
pub(super) fn share(percent: f64) -> String {
    format!("{} %", digits(percent))
}

/// Three significant digits, without trailing zeros.
fn digits(figure: f64) -> String {
    let text = number(figure);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Names to the left, figures to the right.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| match at {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{growth, report, zero_copy};
    use super::*;

    #[test]
    fn each_workload_has_a_table_whose_columns_line_up() {
        let text = report(1.0).to_string();
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.starts_with("get-64: ")).unwrap();
        let table = &lines[at + 1..at + 12];
        let ends: BTreeSet<usize> = table.iter().map(|line| line.chars().count()).collect();
        assert_eq!(ends.len(), 1, "{text}");
        assert!(table[0].contains("CPU µs/req") && table[0].contains("calls/req"), "{text}");
        assert!(table[2].trim_start().starts_with("chapter 2"), "{text}");
        assert!(!lines.iter().any(|line| line.contains("bytes/client") && line.contains("req/s")), "{text}");
    }

    #[test]
    fn growth_has_a_table_for_each_scale_with_a_row_for_each_rung() {
        let text = growth().to_string();
        let lines: Vec<&str> = text.lines().collect();
        for (start, rows, headline) in [
            ("backends: small keep-alive GET", 26, "CPU µs/req"),
            ("routes: ", 4, "CPU µs/req"),
            ("clients: ", 8, "CPU µs/req"),
            ("checks: no clients", 6, "CPU ms/s"),
        ] {
            let at = lines.iter().position(|line| line.starts_with(start)).unwrap();
            let table: Vec<_> = lines[at + 1..].iter().take_while(|line| !line.is_empty()).collect();
            assert_eq!(table.len(), rows + 1, "{text}");
            assert!(table[0].contains(headline) && table[0].ends_with("×first rung"), "{text}");
            assert!(table[1].trim_start().starts_with("rr ") && table[1].ends_with("1.00"), "{text}");
        }
    }

    #[test]
    fn ways_of_moving_bytes_have_a_table_for_each_scale() {
        let text = zero_copy().to_string();
        let lines: Vec<&str> = text.lines().collect();
        for (start, rows, headline, last) in [
            ("bulk-8m: ", 12, "CPU s/GiB  middle half", "×copy"),
            ("session-128: ", 6, "CPU µs/req", "×copy"),
            ("pipe size: ", 10, "CPU s/GiB  middle half", "×copy"),
            ("body size: ", 18, "CPU µs/req", "×copy"),
        ] {
            let at = lines.iter().position(|line| line.starts_with(start)).unwrap();
            let table: Vec<_> = lines[at + 1..].iter().take_while(|line| !line.is_empty()).collect();
            assert_eq!(table.len(), rows + 1, "{text}");
            assert!(table[0].contains(headline) && table[0].ends_with(last), "{text}");
        }
        assert!(text.contains("KiB") && text.contains("×haproxy"), "{text}");
    }

    #[test]
    fn latencies_and_shares_are_said_with_their_units() {
        for (microseconds, text) in [
            (1.0, "1 µs"),
            (294.3, "294 µs"),
            (1_000.0, "1 ms"),
            (2_340.0, "2.34 ms"),
            (206_000.0, "206 ms"),
            (1e6, "1 s"),
        ] {
            assert_eq!(latency(microseconds), text);
        }
        assert_eq!([33.33, 0.094, 0.0].map(share), ["33.3 %", "0.09 %", "0 %"]);
    }

    #[test]
    fn figures_have_the_digits_that_a_reader_compares() {
        for (figure, text) in [(0.004, "0.00"), (1.234, "1.23"), (16.66, "16.7"), (123.4, "123"), (71_234.5, "71234")] {
            assert_eq!(number(figure), text);
        }
    }
}
