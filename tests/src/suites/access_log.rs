//! Suite `access_log`: one whole line per request, with the documented fields, in a log that rotates and never blocks a
//! request; the same reasons in the metrics, in the header of a local reply and in the list of recent requests.

use serde_json::Value;

use super::log_file::{LogFile, parse, read_lines};
use crate::admin_client::AdminClient;
use crate::process::Program;

pub(super) mod ends;
pub(super) mod files;
pub(super) mod lines;
pub(super) mod options;
pub(super) mod recent;
pub(super) mod stalled;

/// The JSON lines on the program's standard output.
fn stdout_lines(program: &Program) -> Vec<Value> {
    let lines: Vec<_> = program.stdout().lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect();
    parse(&lines)
}

fn admin(program: &Program) -> AdminClient {
    AdminClient::of(program)
}
