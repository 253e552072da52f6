//! The tables of `--files` and `--datagrams` for the pages of chapter 9, each under a key of its own in the run's file.

use serde_json::{Value, json};

use super::{Entry, Report, table::number};
use crate::{
    datagrams, files,
    metric::{Base, Metric},
};

impl Report {
    /// Keys and tables; none for any other run.
    pub(super) fn tables_beside_nginx(&self) -> Vec<(&'static str, Value)> {
        let of_files = files::WORKLOADS.iter().map(|workload| (workload.name, Some(Base::NginxCached)));
        let of_datagrams = datagrams::WORKLOADS.iter().map(|workload| (workload.name, None));
        let table = |(name, second)| Some((name, self.beside_nginx(name, second)?));
        of_files.chain(of_datagrams).filter_map(table).collect()
    }

    /// `second`: what the targets are compared with besides nginx.
    fn beside_nginx(&self, workload: &str, second: Option<Base>) -> Option<Value> {
        let headline = self.of(workload).next()?.headline();
        let name = if headline == Metric::CpuSPerGib { "CPU s/GiB" } else { "CPU µs per request" };
        let mut columns = vec!["", name, "middle half", "× nginx"];
        columns.extend(second.map(|_| "× nginx with `open_file_cache`"));
        columns.push("errors");
        let rows: Vec<_> = self.of(workload).filter_map(|entry| self.row_beside_nginx(entry, second)).collect();
        Some(json!({ "command": self.about.command, "columns": columns, "rows": rows }))
    }

    fn row_beside_nginx(&self, entry: &Entry, second: Option<Base>) -> Option<Vec<String>> {
        let spread = entry.medians.get(&entry.headline())?;
        let ratio = |base| entry.ratios.get(&base).map_or_else(|| "-".to_owned(), |ratio| number(ratio.median));
        let mut row = vec![
            self.about.label(&entry.target),
            number(spread.median),
            format!("{} - {}", number(spread.q1), number(spread.q3)),
            ratio(Base::Nginx),
        ];
        row.extend(second.map(ratio));
        row.push(entry.errors().to_string());
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{beside_nginx, report, zero_copy};
    use super::*;

    #[test]
    fn each_workload_has_a_table_whose_rows_fit_its_columns() {
        let tables = beside_nginx(&files::WORKLOADS).tables_beside_nginx();
        assert_eq!(tables.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["file-8m", "file-1k"]);
        let large = &tables[0].1;
        assert_eq!(large["columns"][1], "CPU s/GiB");
        assert_eq!(tables[1].1["columns"][1], "CPU µs per request");
        assert_eq!([&large["rows"][0][0], &large["rows"][0][3]], ["chapter 9 files", "0.50"]);
        let tables_of_datagrams = beside_nginx(&datagrams::WORKLOADS).tables_beside_nginx();
        assert_eq!(tables_of_datagrams.len(), datagrams::WORKLOADS.len());
        for (key, table) in tables.iter().chain(&tables_of_datagrams) {
            let columns = table["columns"].as_array().unwrap().len();
            let rows = table["rows"].as_array().unwrap();
            assert!(rows.len() == 4 && rows.iter().all(|row| row.as_array().unwrap().len() == columns), "{key}");
        }
    }

    #[test]
    fn nginx_counts_by_its_better_way_for_datagrams() {
        let report = beside_nginx(&datagrams::WORKLOADS);
        let ours = report.of("udp-64").find(|entry| entry.target == "chapter 9 udp").unwrap();
        assert!((ours.ratios[&Base::Nginx].median - 0.5).abs() < 0.01, "{:?}", ours.ratios);
    }

    #[test]
    fn other_runs_have_no_such_table() {
        assert!(report(1.0).tables_beside_nginx().is_empty());
        assert!(zero_copy().tables_beside_nginx().is_empty());
    }
}
