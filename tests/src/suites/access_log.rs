//! Suite `access_log`: one whole line per request, with the documented fields, in a log that rotates and never blocks a
//! request; the same reasons in the metrics, in the header of a local reply and in the list of recent requests.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::admin_client::AdminClient;
use crate::process::Program;
use crate::wait::until;

pub(super) mod ends;
pub(super) mod files;
pub(super) mod lines;
pub(super) mod options;
pub(super) mod recent;
pub(super) mod stalled;

/// A log file in a folder of its own.
#[derive(Debug)]
struct LogFile(TempDir);

impl LogFile {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> String {
        self.file("access.log")
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// The whole lines that are there.
    fn lines(&self) -> Vec<String> {
        read_lines(Path::new(&self.path()))
    }

    /// All lines, once there are as many.
    fn wait_for(&self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        until(&format!("there are {count} lines"), || {
            lines = self.lines();
            lines.len() >= count
        });
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }

    /// As [`wait_for`](Self::wait_for), of JSON lines.
    fn wait_for_json(&self, count: usize) -> Vec<Value> {
        parse(&self.wait_for(count))
    }
}

fn read_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    if whole.is_empty() { Vec::new() } else { whole.split('\n').map(str::to_owned).collect() }
}

/// Lines of JSON, each an object.
fn parse(lines: &[String]) -> Vec<Value> {
    let object = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    lines.iter().map(object).collect()
}

/// The JSON lines on the program's standard output.
fn stdout_lines(program: &Program) -> Vec<Value> {
    let lines: Vec<_> = program.stdout().lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect();
    parse(&lines)
}

fn admin(program: &Program) -> AdminClient {
    AdminClient::of(program)
}
