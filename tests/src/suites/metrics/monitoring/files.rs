//! Where the chapter's files for Prometheus and Grafana are.

use std::fs;
use std::path::{Path, PathBuf};

/// The directory of `prometheus.yml`, `alerts.yml`, `alerts_test.yml` and `dashboard.json`.
pub(super) fn directory() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the workspace");
    workspace.join("chapter-08-metrics/monitoring")
}

/// The text of one of them, or of another file relative to them.
pub(super) fn file(name: &str) -> String {
    fs::read_to_string(directory().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
