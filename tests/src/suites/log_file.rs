//! Log files of programs under test, and their lines.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::wait::until;

/// A log file in a folder of its own.
#[derive(Debug)]
pub(super) struct LogFile(TempDir);

impl LogFile {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> String {
        self.file("access.log")
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// The whole lines that are there.
    pub(super) fn lines(&self) -> Vec<String> {
        read_lines(Path::new(&self.path()))
    }

    /// All lines, once there are as many.
    pub(super) fn wait_for(&self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        until(&format!("there are {count} lines"), || {
            lines = self.lines();
            lines.len() >= count
        });
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }

    /// As [`wait_for`](Self::wait_for), of JSON lines.
    pub(super) fn wait_for_json(&self, count: usize) -> Vec<Value> {
        parse(&self.wait_for(count))
    }
}

pub(super) fn read_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    if whole.is_empty() { Vec::new() } else { whole.split('\n').map(str::to_owned).collect() }
}

/// Lines of JSON, each an object.
pub(super) fn parse(lines: &[String]) -> Vec<Value> {
    let object = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    lines.iter().map(object).collect()
}
