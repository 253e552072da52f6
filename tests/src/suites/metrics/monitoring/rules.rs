//! The rules as Prometheus has read them, and what an alert must say.

use std::collections::BTreeSet;

use serde_json::Value;

use super::files::file;
use super::references::{named_panels, unknown_flags};
use crate::third_party::Prometheus;

/// A recording rule or an alert.
#[derive(Debug)]
pub(super) struct Rule(Value);

/// Pages of Prometheus, which runbooks name besides panels of the dashboard.
const PAGES: [&str; 2] = ["Targets", "Service discovery"];

impl Rule {
    /// All rules, in their order.
    pub(super) fn all(prometheus: &Prometheus) -> Vec<Self> {
        let data = prometheus.get("/api/v1/rules").unwrap_or_else(|error| panic!("the rules: {error}"));
        let groups = data["groups"].as_array().expect("a list of groups");
        groups.iter().flat_map(|group| group["rules"].as_array().expect("a list of rules")).cloned().map(Self).collect()
    }

    pub(super) fn name(&self) -> &str {
        self.text("/name")
    }

    pub(super) fn query(&self) -> &str {
        self.text("/query")
    }

    pub(super) fn is_alert(&self) -> bool {
        self.text("/type") == "alerting"
    }

    /// Whether its last evaluation succeeded; `None` before the first one.
    pub(super) fn health(&self) -> Option<Result<(), &str>> {
        match self.text("/health") {
            "unknown" => None,
            "ok" => Some(Ok(())),
            _ => Some(Err(self.text("/lastError"))),
        }
    }

    /// The summary, the description and the runbook of an alert of this rule that fires now.
    pub(super) fn firing_texts(&self) -> Option<String> {
        let alerts = self.0["alerts"].as_array()?;
        let firing = alerts.iter().find(|alert| alert["state"] == "firing")?;
        Some(firing["annotations"].to_string())
    }

    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// What an alert must have, and does not. `panels` are the titles that a runbook may name, `help` lists the flags.
    pub(super) fn faults(&self, panels: &BTreeSet<&str>, help: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |what: String| faults.push(format!("{}: {what}", self.name()));
        if !["page", "ticket"].contains(&self.text("/labels/severity")) {
            fault("its severity is neither page nor ticket".to_owned());
        }
        if self.0["duration"].as_f64().is_none_or(|seconds| seconds <= 0.0) {
            fault("no `for`".to_owned());
        }
        let labels = self.labels_in_its_unit_test();
        for key in ["summary", "description", "runbook"] {
            let text = self.text(&format!("/annotations/{key}"));
            if text.is_empty() {
                fault(format!("no {key}"));
            }
            for label in used_labels(text).filter(|label| !labels.contains(label)) {
                fault(format!("{key}: the alert has no label {label}, only {labels:?}"));
            }
        }
        let runbook = self.text("/annotations/runbook");
        let is_known = |title: &&str| panels.contains(title) || PAGES.contains(title);
        for title in named_panels(runbook).filter(|title| !is_known(title)) {
            fault(format!("the runbook names a panel {title}"));
        }
        for flag in unknown_flags(runbook, help) {
            fault(format!("the runbook names a flag {flag}"));
        }
        faults
    }

    /// The labels that its templates can use: those of its series in a unit test in which it fires, without those that
    /// the rule adds afterwards.
    fn labels_in_its_unit_test(&self) -> BTreeSet<String> {
        let tests = file("alerts_test.yml");
        let start = format!("ALERTS{{alertname=\"{}\",alertstate=\"firing\",", self.name());
        let series =
            tests.lines().filter_map(|line| line.split_once(&start)?.1.split_once('}')).map(|(labels, _)| labels);
        let labels: BTreeSet<_> = series.flat_map(|labels| labels.split("\",")).filter_map(name_of_label).collect();
        let added = self.0["labels"].as_object();
        labels.into_iter().filter(|label| added.is_none_or(|added| !added.contains_key(label))).collect()
    }
}

/// `name` of `name="value`.
fn name_of_label(text: &str) -> Option<String> {
    text.split_once('=').map(|(name, _)| name.to_owned())
}

/// The labels of `{{ $labels.name }}`.
fn used_labels(template: &str) -> impl Iterator<Item = String> {
    let rests = template.split("$labels.").skip(1);
    rests.filter_map(|rest| rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn alerts_that_leave_somebody_without_help_are_found() {
        let good = json!({
            "name": "LbBackendDown", "duration": 60.0, "labels": {"severity": "page"},
            "annotations": {
                "summary": "{{ $labels.backend }}", "description": "{{ $labels.group }}",
                "runbook": "Panel \"Rate\", or `--queue`; then page \"Targets\"."
            }
        });
        let panels = BTreeSet::from(["Rate"]);
        let faults = |rule: Value| Rule(rule).faults(&panels, "  --queue <N>\n").len();
        assert_eq!(faults(good.clone()), 0);
        for (pointer, value) in [
            ("/duration", json!(0)),
            ("/labels/severity", json!("critical")),
            ("/annotations/summary", json!("")),
            ("/annotations/description", json!("{{ $labels.route }}")),
            ("/annotations/description", json!("{{ $labels.severity }}")),
            ("/annotations/runbook", json!("Panel \"Rates\"")),
            ("/annotations/runbook", json!("--queues")),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).expect("it is there") = value.clone();
            assert_eq!(faults(bad), 1, "{pointer}: {value}");
        }
        let mut untested = good;
        untested["name"] = "LbUntested".into();
        assert_eq!(faults(untested), 2, "no labels are known of an alert that no unit test lets fire");
    }
}
