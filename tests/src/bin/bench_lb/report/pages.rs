//! The tables on the pages of the course: a few columns of the report, by workload.
//!
//! A page has `<!-- results: ../tests/bench/results/pages.json#get-64 -->` before its table, and a test compares the
//! table with this file. So a new run changes all pages, and no number on a page is older than its run.

use std::{fs, io, path::Path};

use serde_json::{Value, json};

use super::{
    Entry, Report,
    table::{latency, number, share},
};
use crate::{
    metric::{Base, Metric},
    workload,
};

/// The metrics that a page shows, and their headings.
const COLUMNS: [(Metric, &str, &str); 8] = [
    (Metric::BytesPerClient, "memory per idle client", " B"),
    (Metric::CpuUs, "CPU per request", " µs"),
    (Metric::UserUs, "in the program", " µs"),
    (Metric::SystemUs, "in the kernel", " µs"),
    (Metric::RequestsPerS, "requests/s", ""),
    (Metric::P50Us, "p50", " µs"),
    (Metric::P99Us, "p99", " µs"),
    (Metric::UpstreamPer1000, "connections to backends per 1,000 requests", ""),
];

impl Report {
    /// Writes the tables next to the report.
    pub(crate) fn write_pages(&self, path: &Path) -> io::Result<()> {
        let tables: serde_json::Map<String, Value> =
            self.workloads().into_iter().map(|workload| (workload.to_owned(), self.page(workload))).collect();
        fs::write(path, serde_json::to_string_pretty(&tables)? + "\n")
    }

    /// The algorithms' results with one slow backend; `None` for any other run.
    pub(super) fn by_algorithm(&self) -> Option<Value> {
        let row = |entry: &Entry| -> Option<Vec<String>> {
            Some(vec![
                format!("`{}`", entry.target),
                number(entry.median(Metric::RequestsPerS)?),
                latency(entry.median(Metric::P50Us)?),
                latency(entry.median(Metric::P99Us)?),
                share(entry.median(Metric::SlowPercent)?),
            ])
        };
        let rows: Vec<_> = self.of(workload::BY_ALGORITHM.name).filter_map(row).collect();
        let columns = ["algorithm", "requests/s", "p50", "p99", "share of the slow backend"];
        (!rows.is_empty()).then(|| json!({ "command": self.about.command, "columns": columns, "rows": rows }))
    }

    fn page(&self, workload: &str) -> Value {
        let entries: Vec<&Entry> = self.of(workload).collect();
        let shown: Vec<_> = COLUMNS
            .into_iter()
            .filter(|(metric, ..)| entries.iter().any(|entry| entry.medians.contains_key(metric)))
            .collect();
        let mut columns = vec![String::new()];
        columns.extend(shown.iter().map(|(_, title, _)| (*title).to_owned()));
        let has_calls = entries.iter().any(|entry| !entry.calls.is_empty());
        columns.extend(has_calls.then(|| "system calls per request".to_owned()));
        columns.push("× the better of nginx and HAProxy".to_owned());
        let rows: Vec<Vec<String>> = entries
            .iter()
            .map(|entry| {
                let mut row = vec![self.about.label(&entry.target)];
                let cell = |metric, unit| entry.median(metric).map_or("-".to_owned(), |figure| number(figure) + unit);
                row.extend(shown.iter().map(|(metric, _, unit)| cell(*metric, unit)));
                let calls = || if entry.calls.is_empty() { "-".into() } else { number(entry.calls.values().sum()) };
                row.extend(has_calls.then(calls));
                let ratio = entry.ratios.get(&Base::BestServer);
                row.push(ratio.map_or("-".to_owned(), |ratio| format!("{:.2}", ratio.median)));
                row
            })
            .collect();
        json!({ "command": self.about.command, "columns": columns, "rows": rows })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{by_algorithm, report};
    use super::*;

    #[test]
    fn a_run_by_algorithm_has_a_table_and_another_one_has_none() {
        let table = by_algorithm(&[("rr", 100_500.0, 33.33), ("lc", 940.0, 0.25)]).by_algorithm().unwrap();
        assert_eq!(table["columns"].as_array().unwrap().len(), 5);
        assert_eq!(table["rows"][0].as_array().unwrap()[3..], ["100 ms", "33.3 %"]);
        assert_eq!(table["rows"][1].as_array().unwrap()[3..], ["940 µs", "0.25 %"]);
        assert_eq!(report(1.0).by_algorithm(), None);
    }

    #[test]
    fn each_workload_has_a_table_with_a_row_for_each_target() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pages.json");
        let report = report(1.0);
        report.write_pages(&path).unwrap();
        let pages: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for workload in report.workloads() {
            let table = &pages[workload];
            assert_eq!(table["command"], "cargo bench-lb");
            let columns = table["columns"].as_array().unwrap().len();
            let rows = table["rows"].as_array().unwrap();
            assert_eq!(rows.len(), report.of(workload).count());
            assert!(rows.iter().all(|row| row.as_array().unwrap().len() == columns), "{workload}");
        }
        assert!(pages["idle"]["columns"].to_string().contains("memory per idle client"));
        assert!(!pages["get-64"]["columns"].to_string().contains("memory per idle client"));
    }
}
