//! Which metrics with which labels an expression may name: what the balancer exports, what the rules record, and what
//! Prometheus adds.

use std::collections::{BTreeMap, BTreeSet};

use super::expression::Expression;
use super::rules::Rule;
use crate::suites::metrics::text_format::Exposition;

/// The labels of each metric, by its name in expressions.
#[derive(Debug)]
pub(super) struct Exported(BTreeMap<String, BTreeSet<String>>);

fn labels(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Exported {
    /// Of a scraped balancer.
    pub(super) fn new(metrics: &Exposition) -> Self {
        let mut all = BTreeMap::from([
            ("up".to_owned(), labels(&["job", "instance"])),
            ("ALERTS".to_owned(), labels(&["alertname", "alertstate", "severity"])),
        ]);
        for sample in metrics.samples() {
            let known = all.entry(sample.name.clone()).or_insert_with(|| labels(&["job", "instance"]));
            known.extend(sample.labels.keys().cloned());
        }
        Self(all)
    }

    /// Adds what these rules record: a rule that groups has the labels it groups by, another one those of its sources.
    pub(super) fn add_recorded(&mut self, rules: &[Rule]) {
        for rule in rules.iter().filter(|rule| !rule.is_alert()) {
            let expression = Expression::parse(rule.query());
            let grouped: BTreeSet<_> = expression.grouping.iter().cloned().collect();
            let labels = if grouped.is_empty() { self.labels_of(&expression) } else { grouped };
            self.0.insert(rule.name().to_owned(), labels);
        }
    }

    fn labels_of(&self, expression: &Expression) -> BTreeSet<String> {
        expression.selectors.iter().filter_map(|selector| self.0.get(&selector.metric)).flatten().cloned().collect()
    }

    /// What an expression names and nothing exports. `ends` are the values that the label `end` can have.
    pub(super) fn faults(&self, text: &str, ends: &BTreeSet<&str>) -> Vec<String> {
        let expression = Expression::parse(text);
        let mut faults = Vec::new();
        for selector in &expression.selectors {
            let metric = &selector.metric;
            let Some(known) = self.0.get(metric) else {
                faults.push(format!("no metric {metric}: {text}"));
                continue;
            };
            for (label, values) in &selector.matchers {
                if !known.contains(label) {
                    faults.push(format!("{metric} has no label {label}: {text}"));
                }
                for value in values.iter().filter(|value| label == "end" && !ends.contains(value.as_str())) {
                    faults.push(format!("no request ends as {value}: {text}"));
                }
            }
        }
        let known = self.labels_of(&expression);
        let unknown = expression.grouping.iter().filter(|label| !known.contains(*label));
        faults.extend(unknown.map(|label| format!("no metric has a label {label}: {text}")));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nothing_exports_are_found() {
        let metrics = "# HELP a_total help\n# TYPE a_total counter\na_total{end=\"done\",route=\"r\"} 2\n\
            # HELP h help\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 2\nh_sum 0.5\nh_count 2\n";
        let exported = Exported::new(&Exposition::parse(metrics).unwrap());
        let faults = |text: &str| exported.faults(text, &BTreeSet::from(["done", "shed"])).len();
        for good in [
            "sum by (route, job) (rate(a_total{end!=\"done\",instance=\"i\"}[5m]))",
            "histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))",
            "h_sum / h_count unless on (job) up",
            "a_total{end=~\"done|shed\"}",
        ] {
            assert_eq!(faults(good), 0, "{good}");
        }
        for bad in [
            "rate(a[5m])",
            "h",
            "a_total{code=\"200\"}",
            "sum by (le) (a_total)",
            "a_total{end=~\"done|sheds\"}",
            "up{route=\"r\"}",
        ] {
            assert_eq!(faults(bad), 1, "{bad}");
        }
    }
}
