//! Thousands of simulated connections through `pump`, with peers that stall, split their bytes, disconnect and respond
//! early.
//!
//! `SIMULATION_SEED=123 cargo test -p common --test simulation` runs one seed again and prints its trace;
//! `SIMULATION_SEEDS=100000` runs more.

#[path = "../support/mod.rs"]
mod support;

mod connection;
mod invariants;
mod scenario;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use connection::{OutcomeCounts, SimulatedConnection};
use support::{log, strict_parser};

/// So many run in a few seconds in the dev profile.
const DEFAULT_SEEDS: u64 = 12_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[test]
fn no_seed_violates_an_invariant() {
    if let Some(seed) = number("SIMULATION_SEED") {
        let counts = simulate(seed, true);
        log(&format!("{counts:?}"));
        return;
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(DEFAULT_SEEDS);
    let mut counts = OutcomeCounts::default();
    for seed in 0..seeds {
        counts.add(&simulate(seed, false));
    }
    log(&format!("{counts:?}"));
    // A simulation in which nothing goes wrong would prove nothing.
    assert!(seeds < DEFAULT_SEEDS || counts.least() >= 100, "an outcome is too rare: {counts:?}");
}

fn simulate(seed: u64, verbose: bool) -> OutcomeCounts {
    let mut connection = SimulatedConnection::new(seed);
    let result = catch_unwind(AssertUnwindSafe(|| connection.run()));
    if verbose || result.is_err() {
        log(&format!("SIMULATION_SEED={seed}"));
        for request in &connection.scenario.requests {
            log(&format!("request: {}", strict_parser::show(&request.bytes)));
        }
        for line in &connection.trace {
            log(line);
        }
    }
    result.map_or_else(|panic| resume_unwind(panic), |()| connection.counts)
}
