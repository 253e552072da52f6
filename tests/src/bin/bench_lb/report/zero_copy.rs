//! The tables of `--zero-copy` for the page of chapter 9, each under a key of its own in the run's file.

use serde_json::{Value, json};

use super::{Entry, Report, table::number};
use crate::{
    metric::{Base, Metric},
    rung::Scale,
};

/// The workloads with a row for each target, and what their headline is called.
const BY_TARGET: [(&str, &str); 2] = [("bulk-8m", "CPU s/GiB"), ("session-128", "CPU µs per session")];

/// The scales with a row for each size and a column for each target, and their keys.
const BY_SIZE: [(Scale, &str); 2] = [(Scale::Pipe, "pipe"), (Scale::Body, "body")];

impl Report {
    /// Keys and tables; none for any other run.
    pub(super) fn zero_copy_tables(&self) -> Vec<(&'static str, Value)> {
        let by_target = BY_TARGET.into_iter().filter_map(|(workload, headline)| {
            let rows: Vec<_> = self.of(workload).filter_map(|entry| self.way(entry)).collect();
            let columns = ["", headline, "middle half", "× HAProxy's best mode", "× C loop", "× `--copy`", "errors"];
            Some((workload, self.table_of(&columns.map(str::to_owned), &rows)?))
        });
        let by_size = BY_SIZE.into_iter().filter_map(|(scale, key)| Some((key, self.sizes(scale)?)));
        by_target.chain(by_size).collect()
    }

    /// A target's row.
    fn way(&self, entry: &Entry) -> Option<Vec<String>> {
        let spread = entry.medians.get(&entry.headline())?;
        let ratio = |base| entry.ratios.get(&base).map_or_else(|| "-".to_owned(), |ratio| number(ratio.median));
        Some(vec![
            self.about.label(&entry.target),
            number(spread.median),
            format!("{} - {}", number(spread.q1), number(spread.q3)),
            ratio(Base::BestHaProxy),
            ratio(Base::SpliceLoop),
            ratio(Base::Copy),
            entry.errors().to_string(),
        ])
    }

    /// CPU time per request by size, and next to it the ratio to the copying target.
    fn sizes(&self, scale: Scale) -> Option<Value> {
        let targets = self.of_scale(scale);
        let mut columns = vec![format!("{}, {}", scale.name(), scale.unit())];
        for rungs in &targets {
            columns.push(format!("{}, CPU µs", rungs[0].target));
            columns.extend((!is_copy(rungs[0])).then(|| "× `--copy`".to_owned()));
        }
        let sizes = targets.first()?.iter().filter_map(|entry| entry.rung).map(|rung| rung.size);
        let row = |size: usize| {
            let mut row = vec![scale.shown(size).to_string()];
            for rungs in &targets {
                let entry = rungs.iter().find(|entry| entry.rung.is_some_and(|rung| rung.size == size))?;
                row.push(number(entry.median(Metric::CpuUs)?));
                if !is_copy(entry) {
                    row.push(number(entry.ratios.get(&Base::Copy)?.median));
                }
            }
            Some(row)
        };
        self.table_of(&columns, &sizes.filter_map(row).collect::<Vec<_>>())
    }

    fn table_of(&self, columns: &[String], rows: &[Vec<String>]) -> Option<Value> {
        (!rows.is_empty()).then(|| json!({ "command": self.about.command, "columns": columns, "rows": rows }))
    }
}

fn is_copy(entry: &Entry) -> bool {
    Base::Copy.targets().contains(&entry.target.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{growth, report, zero_copy};
    use super::*;

    #[test]
    fn each_row_fits_its_columns() {
        let tables = zero_copy().zero_copy_tables();
        let sizes: Vec<_> = tables
            .iter()
            .map(|(key, table)| {
                let columns = table["columns"].as_array().unwrap().len();
                let rows = table["rows"].as_array().unwrap();
                assert!(rows.iter().all(|row| row.as_array().unwrap().len() == columns), "{table}");
                (*key, rows.len(), columns)
            })
            .collect();
        assert_eq!(sizes, [("bulk-8m", 12, 7), ("session-128", 6, 7), ("pipe", 5, 4), ("body", 6, 6)]);
        let bulk = &tables[0].1["rows"][2];
        assert_eq!([&bulk[0], &bulk[3], &bulk[4], &bulk[5]], ["chapter 9 splice", "0.40", "1.11", "0.25"]);
        assert_eq!(tables[1].1["rows"][1][4], "-", "the loop has no row for sessions");
        let pipe = &tables[2].1;
        assert_eq!(
            (&pipe["columns"][1], &pipe["columns"][3]),
            (&json!("chapter 9 splice, CPU µs"), &json!("chapter 9 copy, CPU µs"))
        );
        assert_eq!((&pipe["rows"][4][0], &pipe["rows"][4][2]), (&json!("1024"), &json!("0.25")));
    }

    #[test]
    fn other_runs_have_no_such_table() {
        assert!(report(1.0).zero_copy_tables().is_empty());
        assert!(growth().zero_copy_tables().is_empty());
    }
}
