//! The names, the labels and the format.

use std::collections::BTreeMap;

use super::{METRICS, get, metrics_addr, scrape, scrape_after};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::third_party;

cases! { "metrics";
    Fast every_metric_has_its_name_and_its_labels,
    Fast pythons_client_library_reads_the_same,
    Fast labels_with_quotes_and_backslashes_are_escaped,
    Fast the_buckets_can_be_chosen,
}

/// The metrics of a balancer that has served a request, with their labels.
const NAMES: &[(&str, &str)] = &[
    ("lb_requests_total", "code end group route"),
    ("lb_requests_failed_total", "group route"),
    ("lb_request_duration_seconds", "group route"),
    ("lb_queue_seconds", "group route"),
    ("lb_connect_seconds", "group route"),
    ("lb_first_byte_seconds", "group route"),
    ("lb_own_seconds", "group route"),
    ("lb_retries_total", "group"),
    ("lb_retry_budget_refused_total", "group"),
    ("lb_limited_total", "dry limit"),
    ("lb_shed_total", "group"),
    ("lb_connections_active", ""),
    ("lb_connections_accepted_total", ""),
    ("lb_connections_refused_total", ""),
    ("lb_bytes_received_total", ""),
    ("lb_bytes_sent_total", ""),
    ("lb_pool_hits_total", ""),
    ("lb_pool_misses_total", ""),
    ("lb_backends_healthy", "group"),
    ("lb_backend_requests_total", "backend code group"),
    ("lb_backend_seconds_total", "backend group"),
    ("lb_backend_pool_hits_total", "backend group"),
    ("lb_backend_pool_idle", "backend group"),
    ("lb_backend_pool_stale_total", "backend group"),
    ("lb_backend_pool_evicted_total", "backend group"),
    ("lb_backend_in_flight", "backend group"),
    ("lb_backend_up", "backend group"),
    ("lb_backend_weight", "backend group"),
    ("lb_backend_ejections_total", "backend group"),
    ("lb_backend_breaker_open", "backend group"),
    ("lb_access_log_dropped_total", ""),
    ("lb_worker_busy_ratio", "worker"),
    ("lb_worker_poll_seconds_max", "worker"),
    ("lb_series_dropped_total", "metric"),
    ("lb_build_info", "version"),
    ("process_cpu_seconds_total", ""),
    ("process_start_time_seconds", ""),
];

fn every_metric_has_its_name_and_its_labels(ctx: &Context) {
    let backend = Backend::ok("a");
    let flags = [&METRICS[..], &["--limit", "9/s by=ip"]].concat();
    let program = ctx.start(&[backend.addr()], &flags);
    assert_eq!(program.client().get("/").status(), 200);
    let metrics = scrape_after(&program, 1.0);
    for (name, labels) in NAMES {
        let family = metrics.family(name).unwrap_or_else(|| panic!("no {name}"));
        let found: Vec<_> = family.samples[0].labels.keys().filter(|name| *name != "le").cloned().collect();
        assert_eq!(found.join(" "), *labels, "{name}");
    }
    let documented = |name: &str| NAMES.iter().any(|(known, _)| *known == name) || name.starts_with("process_");
    let others: Vec<_> =
        metrics.families().iter().map(|family| &family.name).filter(|name| !documented(name)).collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(
        metrics.value("lb_requests_total", &[("code", "2xx"), ("end", "done"), ("route", "default")]).to_string(),
        "1"
    );
}

/// Prints each sample as `name|label=value|…|value`.
const PYTHON: &str = "
import sys
try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError as error:
    print('skipped:', error)
    sys.exit()
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        labels = [f'{name}={value}' for name, value in sorted(sample.labels.items())]
        print('|'.join([sample.name, *labels, repr(float(sample.value))]))
";

fn pythons_client_library_reads_the_same(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = ctx.start(&[backend.addr()], &METRICS);
    (0..3).for_each(|_| assert_eq!(program.client().get("/").status(), 200));
    scrape_after(&program, 3.0);
    let text = get(metrics_addr(&program), "/metrics").text();
    let Some(read) = third_party::run("python3", &["-c", PYTHON], text.as_bytes()) else { return };
    if let Some(reason) = read.strip_prefix("skipped:") {
        println!("skipped: prometheus_client is not installed:{reason}");
        return;
    }
    let theirs: BTreeMap<_, f64> =
        read.lines().filter_map(|line| line.rsplit_once('|')).map(|(series, value)| (series, number(value))).collect();
    let ours = super::Exposition::parse(&text).unwrap();
    assert_eq!(theirs.len(), ours.samples().count());
    for sample in ours.samples() {
        let labels = sample.labels.iter().map(|(name, value)| format!("|{name}={value}"));
        let series = sample.name.clone() + &labels.collect::<String>();
        assert_eq!(theirs.get(&*series).map(|value| value.to_bits()), Some(sample.value.to_bits()), "{series}");
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn labels_with_quotes_and_backslashes_are_escaped(ctx: &Context) {
    let backend = Backend::ok("a");
    let route = r#"header=X-A:a"b\c -> default"#;
    let program = ctx.start(&[backend.addr()], &[&METRICS[..], &["--route", route]].concat());
    let mut client = program.client();
    client.request("GET", "/", "X-A: a\"b\\c\r\n");
    assert_eq!(client.response("GET").status(), 200);
    let metrics = scrape_after(&program, 1.0);
    let labels = [("route", r#"header=x-a:a"b\c"#), ("code", "2xx")];
    assert_eq!(metrics.value("lb_requests_total", &labels).to_string(), "1");
}

fn the_buckets_can_be_chosen(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = ctx.start(&[backend.addr()], &[&METRICS[..], &["--metrics-buckets", "0.5,10"]].concat());
    let metrics = scrape(&program);
    let buckets = metrics.with("lb_request_duration_seconds_bucket", &[("route", "default")]);
    let bounds: Vec<_> = buckets.map(|sample| sample.labels["le"].clone()).collect();
    assert_eq!(bounds, ["0.5", "10", "+Inf"]);
}
