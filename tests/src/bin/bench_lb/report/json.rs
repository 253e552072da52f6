//! The JSON file: the circumstances pretty-printed, each result on one line. So a new run changes as many lines as
//! there are results, and a reader's `git diff` shows which.

use std::{fmt::Write as _, fs, io, path::Path};

use super::Report;

impl Report {
    /// Writes the file, and creates its directory if needed.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(path, self.to_json()?)
    }

    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let named = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| named(&error))?;
        serde_json::from_str(&text).map_err(|error| named(&error))
    }

    fn to_json(&self) -> io::Result<String> {
        let about = serde_json::to_string_pretty(&self.about)?.replace('\n', "\n  ");
        let results: Vec<String> = self.results.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let results = results.join(",\n    ");
        // The tables for the pages, as in pages.json: that file belongs to the ladder.
        let mut tables = String::new();
        let of_algorithms = self.by_algorithm().map(|table| ("table", table));
        let of_chapter_9 = self.zero_copy_tables().into_iter().chain(self.tables_beside_nginx());
        for (key, table) in of_algorithms.into_iter().chain(of_chapter_9) {
            let table = serde_json::to_string_pretty(&table)?.replace('\n', "\n  ");
            // Writing into a string cannot fail.
            let _ = write!(tables, ",\n  \"{key}\": {table}");
        }
        Ok(format!("{{\n  \"about\": {about},\n  \"results\": [\n    {results}\n  ]{tables}\n}}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{by_algorithm, report, zero_copy};
    use super::*;

    #[test]
    fn file_round_trips_the_report() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/ladder.json");
        let report = report(1.5);
        report.write(&path).unwrap();
        // Not `assert_eq`: it would print both.
        assert!(Report::read(&path).unwrap() == report, "the file is another report");
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < report.results.len() + 40, "{lines} lines");
    }

    #[test]
    fn table_for_the_page_is_in_the_file_and_ignored_on_reading() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("algorithms.json");
        let report = by_algorithm(&[("rr", 100_500.0, 33.33)]);
        report.write(&path).unwrap();
        assert!(Report::read(&path).unwrap() == report, "the file is another report");
        let file: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(file["table"]["rows"][0][0], "`rr`");
        let report = zero_copy();
        report.write(&path).unwrap();
        assert!(Report::read(&path).unwrap() == report, "the file is another report");
        let file: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!((&file["pipe"]["rows"][0][0], &file["table"]), (&"4".into(), &serde_json::Value::Null));
    }

    #[test]
    fn foreign_file_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.json");
        assert!(Report::read(&path).unwrap_err().to_string().contains("x.json: "));
        fs::write(&path, "{}").unwrap();
        assert!(Report::read(&path).unwrap_err().to_string().contains("missing field `about`"));
    }
}
