//! The cost of finding a request's rule: `cargo bench -p chapter-04-advanced-features --bench routes`.
//!
//! With 1, 100, 1,000 and 10,000 rules by path, by host, by wildcard and by suffix, for a request that matches the last
//! of them in order of precedence, and for two that match none: an ordinary one, and one whose path has a thousand
//! segments. Each includes the normalization of host and path.
//!
//! Append `-- --warm-up-time 0.05 --measurement-time 0.1 --sample-size 20` to finish in seconds.

use std::{hint::black_box, net::Ipv4Addr};

use advanced_features::routing::{RequestInfo, RouteRule, RouteTable};
use common::http::Head;
use criterion::{Criterion, criterion_group, criterion_main};

fn table(count: usize, condition: impl Fn(usize) -> String) -> RouteTable {
    let rule = |number| -> RouteRule { format!("{} -> web", condition(number)).parse().expect("a valid rule") };
    RouteTable::new((1..=count).map(rule).collect(), &["web"]).expect("no duplicates")
}

/// Indexing 10,000 rules, as at the start of the process.
fn build(c: &mut Criterion) {
    let rule = |number| -> RouteRule { format!("path=/service-{number}/* -> web").parse().expect("a valid rule") };
    let rules: Vec<_> = (0..10_000).map(rule).collect();
    c.bench_function("route/build, 10000 rules", |b| b.iter(|| RouteTable::new(rules.clone(), &["web"])));
}

fn measure(c: &mut Criterion, id: &str, routes: &RouteTable, target: &str, host: &str) {
    let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n");
    let mut head = Head::new();
    head.read_request(text.as_bytes(), &mut 0).expect("a valid request").expect("a whole one");
    let match_rule = || {
        let info = RequestInfo::new(head.view(text.as_bytes()), Ipv4Addr::LOCALHOST.into());
        info.check_path().expect("it is not ambiguous");
        routes.match_rule(black_box(&info))
    };
    c.bench_function(id, |b| b.iter(match_rule));
}

fn routes(c: &mut Criterion) {
    let long_path = "/a".repeat(1_000);
    for count in [1, 100, 1_000, 10_000] {
        let by_path = table(count, |number| format!("path=/service-{number}/v1/*"));
        let by_host = table(count, |number| format!("host=www{number}.example.com path=/app/*"));
        let by_wildcard = table(count, |number| format!("host=*.tenant{number}.example.com"));
        let by_suffix = table(count, |number| format!("path=*.type{number}"));
        let cases = [
            // The number 1 is the shortest, so it is the last in order of precedence.
            ("path", &by_path, "/service-1/v1/items/17", "www.example.com"),
            ("host", &by_host, "/app/items/17", "www1.example.com"),
            ("wildcard host", &by_wildcard, "/app/items/17", "a.tenant1.example.com"),
            ("suffix", &by_suffix, "/app/items/17.type1", "www.example.com"),
            ("no match", &by_path, "/app/items/17", "www.example.com"),
            ("no match, 1,000 segments", &by_path, &long_path, "www.example.com"),
        ];
        for (name, routes, target, host) in cases {
            measure(c, &format!("route/{name}, {count} rules"), routes, target, host);
        }
    }
}

criterion_group!(benches, routes, build);
criterion_main!(benches);
