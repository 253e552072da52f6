//! `dashboard.json`: its panels and their expressions.

use std::collections::BTreeSet;

use serde_json::Value;

use super::expression::Expression;
use super::files::file;
use super::references::{named_panels, unknown_flags};

/// A weight is configured and does not surprise; the other two say nothing that file descriptors and resident memory
/// do not.
const WITHOUT_PANEL: [&str; 3] = ["lb_backend_weight", "process_threads", "process_virtual_memory_bytes"];

/// A dashboard of Grafana.
#[derive(Debug)]
pub(super) struct Dashboard(Value);

/// An expression of a panel or of an annotation.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) title: String,
    /// With its variables.
    pub(super) expression: String,
    /// The template of its series' names.
    pub(super) legend: String,
}

impl Dashboard {
    pub(super) fn read() -> Self {
        let text = file("dashboard.json");
        Self(serde_json::from_str(&text).unwrap_or_else(|error| panic!("dashboard.json: {error}")))
    }

    /// The panels without the rows.
    fn panels(&self) -> impl Iterator<Item = &Value> {
        list(&self.0["panels"]).iter().filter(|panel| panel["type"] != "row")
    }

    pub(super) fn titles(&self) -> BTreeSet<&str> {
        self.panels().map(|panel| text(&panel["title"])).collect()
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        let query = |title: &Value, target: &Value, legend: &str| Query {
            title: text(title).to_owned(),
            expression: text(&target["expr"]).to_owned(),
            legend: text(&target[legend]).to_owned(),
        };
        let targets = self.panels().flat_map(|panel| list(&panel["targets"]).iter().map(move |target| (panel, target)));
        let of_panels = targets.map(|(panel, target)| query(&panel["title"], target, "legendFormat"));
        let annotations = list(&self.0["annotations"]["list"]).iter();
        of_panels.chain(annotations.map(|target| query(&target["name"], target, "titleFormat"))).collect()
    }

    /// What the descriptions of panels name and there is not: other panels, and flags, which `help` lists.
    pub(super) fn wrong_references(&self, help: &str) -> Vec<String> {
        let (titles, mut faults) = (self.titles(), Vec::new());
        for panel in self.panels() {
            let (title, description) = (text(&panel["title"]), text(&panel["description"]));
            let panels = named_panels(description).filter(|name| !titles.contains(name));
            faults.extend(panels.map(|name| format!("panel {title}: there is no panel {name}")));
            faults
                .extend(unknown_flags(description, help).map(|flag| format!("panel {title}: there is no flag {flag}")));
        }
        faults
    }

    /// Metrics of these names that no panel shows.
    pub(super) fn without_panel<'a>(&self, metrics: impl Iterator<Item = &'a str>) -> Vec<String> {
        let expressions: Vec<_> = self.queries().iter().map(|query| Expression::parse(&query.expression)).collect();
        let named = expressions.iter().flat_map(|expression| &expression.selectors);
        let named: BTreeSet<_> = named.map(|selector| selector.metric.as_str()).collect();
        let is_shown = |metric: &&str| {
            ["", "_bucket", "_sum", "_count"].iter().any(|suffix| named.contains(&*format!("{metric}{suffix}")))
        };
        let missing = metrics.filter(|metric| !WITHOUT_PANEL.contains(metric) && !is_shown(metric));
        missing.map(|metric| format!("no panel shows {metric}")).collect()
    }

    /// What Grafana would not complain about, and a reader would.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.0["schemaVersion"].as_u64() < Some(38) {
            faults.push("schemaVersion: Grafana 10 has 38".to_owned());
        }
        for panel in self.panels() {
            let title = text(&panel["title"]);
            for needed in ["/title", "/description", "/fieldConfig/defaults/unit", "/targets/0/expr"] {
                if panel.pointer(needed).and_then(Value::as_str).is_none_or(str::is_empty) {
                    faults.push(format!("panel {title}: no {needed}"));
                }
            }
            let targets = list(&panel["targets"]).iter().map(|target| &target["datasource"]["uid"]);
            if targets.chain([&panel["datasource"]["uid"]]).any(|source| source != "${datasource}") {
                faults.push(format!("panel {title}: a fixed data source"));
            }
        }
        let panels = list(&self.0["panels"]);
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
        if ids.len() < panels.len() || self.titles().len() < self.panels().count() {
            faults.push("two panels have one id or one title".to_owned());
        }
        let pairs = panels.iter().enumerate().flat_map(|(at, one)| panels[at + 1..].iter().map(move |two| (one, two)));
        let overlapping = pairs.filter(|(one, two)| overlap(&one["gridPos"], &two["gridPos"]));
        faults.extend(overlapping.map(|(one, two)| format!("{} lies on {}", one["title"], two["title"])));
        faults.extend(self.unknown_variables());
        faults
    }

    fn unknown_variables(&self) -> impl Iterator<Item = String> {
        let declared = list(&self.0["templating"]["list"]).iter().map(|variable| text(&variable["name"]));
        let declared: BTreeSet<_> = declared.chain(["__rate_interval"]).collect();
        let all = self.0.to_string();
        let used = all.split('$').skip(1).filter(|rest| !rest.starts_with("__all"));
        let name = |rest: &str| {
            let end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
            rest.trim_start_matches('{').split(end).next().unwrap_or_default().to_owned()
        };
        let unknown: BTreeSet<_> = used.map(name).filter(|name| !declared.contains(&**name)).collect();
        unknown.into_iter().map(|name| format!("variable {name} is not declared"))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether two rectangles of the grid share a cell.
fn overlap(one: &Value, two: &Value) -> bool {
    let number = |place: &Value, key: &str| place[key].as_u64().unwrap_or_default();
    let share = |at: &str, length: &str| {
        let (start, other) = (number(one, at), number(two, at));
        start < other + number(two, length) && other < start + number(one, length)
    };
    share("x", "w") && share("y", "h")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_after(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut dashboard = Dashboard::read();
        change(&mut dashboard.0);
        dashboard.faults()
    }

    #[test]
    fn a_dashboard_that_nobody_could_read_is_found() {
        assert_eq!(faults_after(|_| {}), Vec::<String>::new());
        assert_eq!(faults_after(|dashboard| dashboard["schemaVersion"] = 16.into()).len(), 1);
        assert_eq!(faults_after(|dashboard| dashboard["panels"][1]["description"] = "".into()).len(), 1);
        assert_eq!(faults_after(|dashboard| dashboard["panels"][1]["targets"] = Value::Null).len(), 1);
        assert_eq!(faults_after(|dashboard| dashboard["panels"][1]["datasource"]["uid"] = "x".into()).len(), 1);
        assert_eq!(
            faults_after(|dashboard| dashboard["panels"][1]["id"] = dashboard["panels"][2]["id"].clone()).len(),
            1
        );
        assert_eq!(faults_after(|dashboard| dashboard["panels"][1]["gridPos"]["w"] = 9.into()).len(), 1);
        assert_eq!(faults_after(|dashboard| dashboard["templating"]["list"][1]["name"] = "node".into()).len(), 1);
        let unit = |dashboard: &mut Value| dashboard["panels"][1]["fieldConfig"]["defaults"]["unit"] = Value::Null;
        assert_eq!(faults_after(unit).len(), 1);
    }

    #[test]
    fn a_description_that_names_what_is_not_there_is_found() {
        let mut dashboard = Dashboard::read();
        let panels = dashboard.0["panels"].as_array_mut().expect("a list");
        panels.truncate(2);
        panels[1]["description"] = "As \"Rate\" or \"Retry\", without --retries or --retry.".into();
        let faults = dashboard.wrong_references("  --retries <N>\n");
        assert_eq!(faults, ["panel Rate: there is no panel Retry", "panel Rate: there is no flag --retry"]);
    }

    #[test]
    fn a_metric_that_no_panel_shows_is_found() {
        let metrics = ["lb_retries_total", "lb_own_seconds", "process_threads", "lb_new_total"];
        let missing = Dashboard::read().without_panel(metrics.into_iter());
        assert_eq!(missing, ["no panel shows lb_new_total"]);
    }
}
