//! Chapter 4: load-balancing decisions, in the five parts of its text.

mod algorithms;
mod changes;
mod content;
mod failover;
mod health;

use integration_tests::client::Client;
use integration_tests::process::Program;

use crate::demo_backends::{DemoBackends, responding_backend};
use crate::narrator::{Narrator, Part, Programs};

/// In parts.
pub(crate) const PARTS: [Part; 5] = [
    Part { title: "algorithms", pages: &["parts/1-algorithms.md"], demo: algorithms::demo },
    Part { title: "health", pages: &["parts/2-health.md"], demo: health::demo },
    Part { title: "failover", pages: &["parts/3-failover.md"], demo: failover::demo },
    Part {
        title: "identity, stickiness, routing",
        pages: &["parts/4-identity-stickiness-routing.md"],
        demo: content::demo,
    },
    Part { title: "change while running", pages: &["parts/5-change-while-running.md"], demo: changes::demo },
];

/// Starts the balancer in front of these backends.
fn balancer(narrator: &Narrator, programs: &Programs, backends: &[String], flags: &[&str]) -> Program {
    let backends = backends.iter().map(String::as_str);
    let args: Vec<_> = ["0"].into_iter().chain(backends).chain(flags.iter().copied()).collect();
    programs.start(narrator, "advanced_lb", &args)
}

/// The backend that answers a GET for `target` with these header lines.
fn asked(client: &mut Client, target: &str, fields: &str) -> usize {
    client.request("GET", target, fields);
    responding_backend(&client.response("GET"))
}

/// How many requests each backend has received since `before`.
fn since(backends: &DemoBackends, before: &[u64]) -> Vec<u64> {
    backends.requests().iter().zip(before).map(|(now, before)| now - before).collect()
}
