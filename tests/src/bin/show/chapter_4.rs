//! Chapter 4: load-balancing decisions, in the five parts of its text.

mod algorithms;
mod changes;
mod content;
mod failover;
mod health;

use integration_tests::client::Client;
use integration_tests::process::Program;

use crate::fleet::{Fleet, who_answered};
use crate::stage::{Play, Programs, Stage};

/// A part's title, and the function that plays it.
pub(crate) const PARTS: [(&str, Play); 5] = [
    ("algorithms", algorithms::play),
    ("health", health::play),
    ("failover", failover::play),
    ("identity, stickiness, routing", content::play),
    ("change while running", changes::play),
];

/// Starts the balancer in front of these backends.
fn balancer(stage: &Stage, programs: &Programs, backends: &[String], flags: &[&str]) -> Program {
    let backends = backends.iter().map(String::as_str);
    let args: Vec<_> = ["0"].into_iter().chain(backends).chain(flags.iter().copied()).collect();
    programs.start(stage, "advanced_lb", &args)
}

/// The backend that answers a GET for `target` with these header lines.
fn asked(client: &mut Client, target: &str, fields: &str) -> usize {
    client.request("GET", target, fields);
    who_answered(&client.response("GET"))
}

/// How many requests each backend has received since `before`.
fn since(backends: &Fleet, before: &[u64]) -> Vec<u64> {
    backends.requests().iter().zip(before).map(|(now, before)| now - before).collect()
}
