//! The chapter's files for Prometheus and Grafana: promtool accepts them, each expression names what the balancer
//! exports and has a result in a Prometheus that scrapes it, and alerts fire and say what to do.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use super::{metrics_addr, scrape, scrape_until};
use crate::Context;
use crate::case::cases;
use crate::process::Program;
use crate::third_party::{self, Prometheus};
use crate::wait::{StopOnDrop, eventually, ms, pause};

mod dashboard;
mod exported;
mod expression;
mod files;
mod references;
mod rules;
mod scene;

use dashboard::{Dashboard, Query};
use exported::Exported;
use files::{directory, file};
use rules::Rule;
use scene::Scene;

cases! { "metrics";
    Fast promtool_accepts_the_rules_and_every_alert_fires_in_its_unit_test,
    Fast the_dashboard_is_complete_and_names_what_the_balancer_exports,
    Fast every_expression_has_a_result_in_a_prometheus_that_scrapes_the_balancer,
}

/// Enough for a few scrapes and evaluations, one per second, on a loaded machine.
const DEADLINE: Duration = Duration::from_mins(1);

/// The alerts that must fire: the test lets a backend be dead, and a target.
const EXPECTED: [&str; 4] = ["LbBackendDown", "LbGroupDown", "LbTargetDown", "LbErrorBudgetBurn"];

fn promtool_accepts_the_rules_and_every_alert_fires_in_its_unit_test(_ctx: &Context) {
    let path = |name: &str| directory().join(name).display().to_string();
    let checks = [
        vec!["check", "config", "prometheus.yml"],
        vec!["check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"],
        vec!["test", "rules", "alerts_test.yml"],
    ];
    for mut check in checks {
        let file = path(check.pop().expect("a file"));
        check.push(&file);
        if third_party::run("promtool", &check, b"").is_none() {
            return;
        }
    }
}

/// The words of the table of ends on the chapter's page.
fn words_of_ends(page: &str) -> BTreeSet<&str> {
    page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(word, _)| word).collect()
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} to fix:\n{}", faults.len(), faults.join("\n"));
}

fn the_dashboard_is_complete_and_names_what_the_balancer_exports(ctx: &Context) {
    let scene = Scene::start(ctx);
    let done = AtomicBool::new(false);
    let metrics = thread::scope(|scope| {
        let _stop = StopOnDrop(&done);
        scope.spawn(|| scene.send_until(&done));
        scrape_until(&scene.program, "an attempt has failed", |metrics| {
            metrics.sum("lb_backend_failures_total", &[]) > 0.0
        })
    });
    let (exported, page) = (Exported::new(&metrics), file("../README.md"));
    // What the rules record is known where Prometheus has read them.
    let own = |query: &Query| !query.expression.contains("route:lb_");
    let (dashboard, ends) = (Dashboard::read(), words_of_ends(&page));
    let mut faults = dashboard.faults();
    faults.extend(dashboard.wrong_references(&ctx.run(&["--help"]).stdout));
    faults.extend(dashboard.without_panel(metrics.families().iter().map(|family| family.name.as_str())));
    for query in dashboard.queries().iter().filter(|query| own(query)) {
        faults.extend(exported.faults(&query.expression, &ends));
    }
    assert_none(&faults);
}

/// `text` with `from` replaced, which must be there.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in the file");
    text.replace(from, to)
}

/// The chapter's configuration below `directory`, with these targets, an evaluation per second, and alerts that fire
/// after one.
fn write_quick_configuration(directory: &Path, targets: [SocketAddr; 2]) -> PathBuf {
    let [balancer, dead] = targets;
    let mut config = replaced(&file("prometheus.yml"), r#""127.0.0.1:9901""#, &format!(r#""{balancer}", "{dead}""#));
    config = replaced(&config, "scrape_interval: 5s", "scrape_interval: 1s");
    config = replaced(&config, "evaluation_interval: 15s", "evaluation_interval: 1s");
    let is_for = |line: &str| line.trim_start().starts_with("for: ");
    let quick = |line: &str| if is_for(line) { "        for: 1s\n".to_owned() } else { format!("{line}\n") };
    fs::write(directory.join("alerts.yml"), file("alerts.yml").lines().map(quick).collect::<String>()).unwrap();
    let path = directory.join("prometheus.yml");
    fs::write(&path, config).unwrap();
    path
}

fn every_expression_has_a_result_in_a_prometheus_that_scrapes_the_balancer(ctx: &Context) {
    let (scene, directory) = (Scene::start(ctx), tempfile::tempdir().unwrap());
    let balancer = metrics_addr(&scene.program);
    let config = write_quick_configuration(directory.path(), [balancer, scene.dead.addr]);
    let Some(prometheus) = Prometheus::start(&config, &directory.path().join("data"), ctx.children()) else { return };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = StopOnDrop(&done);
        scope.spawn(|| scene.send_until(&done));
        let rules = wait_for_alerts(&prometheus);
        assert_firing_alerts_are_readable(&rules, &scene);
        assert_rules_are_right(ctx, &rules, &scene.program);
        assert_results(&prometheus, &rules, balancer);
    });
}

/// Waits until each rule has been evaluated, three scrapes were stored, and the alerts fire that must.
fn wait_for_alerts(prometheus: &Prometheus) -> Vec<Rule> {
    let mut missing = String::new();
    let rules = eventually(DEADLINE, || {
        pause(ms(100));
        let scrapes = prometheus.query(r#"max(count_over_time(up{job="lb"}[1m]))"#).ok()?;
        let rules = Rule::all(prometheus);
        let fires = |name: &str| rules.iter().any(|rule| rule.name() == name && rule.firing_texts().is_some());
        missing = EXPECTED.into_iter().filter(|name| !fires(name)).collect::<Vec<_>>().join(", ");
        let is_evaluated = rules.iter().all(|rule| rule.health().is_some());
        (scrapes.first()?.value >= 3.0 && is_evaluated && missing.is_empty()).then_some(rules)
    });
    rules.unwrap_or_else(|| panic!("not within {DEADLINE:?}: {missing} should fire"))
}

fn assert_firing_alerts_are_readable(rules: &[Rule], scene: &Scene) {
    for (name, texts) in rules.iter().filter_map(|rule| Some((rule.name(), rule.firing_texts()?))) {
        let is_rendered = !["{{", "}}", "<no value>", "<error", "$labels"].iter().any(|left| texts.contains(left));
        assert!(is_rendered, "{name}: {texts}");
        if ["LbBackendDown", "LbTargetDown"].contains(&name) {
            assert!(texts.contains(&scene.dead.addr.to_string()), "{name} does not say which: {texts}");
        }
    }
}

fn assert_rules_are_right(ctx: &Context, rules: &[Rule], program: &Program) {
    let mut exported = Exported::new(&scrape(program));
    exported.add_recorded(rules);
    let (page, dashboard, help) = (file("../README.md"), Dashboard::read(), ctx.run(&["--help"]).stdout);
    let (ends, operations) = (words_of_ends(&page), file("../parts/3-operations.md"));
    let mut faults = Vec::new();
    for rule in rules {
        if let Some(Err(error)) = rule.health() {
            faults.push(format!("{}: {error}", rule.name()));
        }
        faults.extend(exported.faults(rule.query(), &ends));
        if rule.is_alert() {
            faults.extend(rule.faults(&dashboard.titles(), &help));
            let is_explained = operations.contains(&format!("| `{}` |", rule.name()));
            faults.extend((!is_explained).then(|| format!("{} is not in the page's table of alerts", rule.name())));
        }
    }
    faults.extend(dashboard.queries().iter().flat_map(|query| exported.faults(&query.expression, &ends)));
    assert_none(&faults);
}

/// Asserts that Prometheus evaluates every expression, and has a result for all but those of alerts.
fn assert_results(prometheus: &Prometheus, rules: &[Rule], balancer: SocketAddr) {
    let alerts = rules.iter().filter(|rule| rule.is_alert());
    let wrong = alerts.filter_map(|rule| Some(format!("{}: {}", rule.name(), prometheus.query(rule.query()).err()?)));
    assert_none(&wrong.collect::<Vec<_>>());
    let recorded = rules.iter().filter(|rule| !rule.is_alert()).map(|rule| rule.name().to_owned());
    let recorded = recorded.map(|name| Query { title: name.clone(), expression: name, legend: String::new() });
    for query in recorded.chain(Dashboard::read().queries()) {
        let expression = with_variables(&query.expression, balancer);
        let series = prometheus.query(&expression).unwrap_or_else(|error| panic!("{}: {error}", query.title));
        assert!(!series.is_empty(), "{}: no result: {expression}", query.title);
        for label in query.legend.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0)) {
            let has_it = series.iter().any(|series| series.labels.contains_key(label));
            assert!(has_it, "{}: no series has a label {label}: {expression}", query.title);
        }
    }
}

/// An expression as Grafana sends it.
fn with_variables(expression: &str, balancer: SocketAddr) -> String {
    let instance = balancer.to_string().replace('.', r"\\.");
    let expression = expression.replace("$__rate_interval", "10s").replace("$route", ".*");
    expression.replace("$instance", &instance)
}
