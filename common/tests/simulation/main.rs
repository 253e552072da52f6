//! Thousands of small worlds around `pump`: two peers that stall, split, break off and answer too early.
//!
//! `SIMULATION_SEED=123 cargo test -p common --test simulation` plays one seed again and prints its trace;
//! `SIMULATION_SEEDS=100000` plays more.

#[path = "../support/mod.rs"]
mod support;

mod oracle;
mod plan;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use world::World;

/// What fits into a few seconds of the dev profile.
const SEEDS: u64 = 4_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[test]
fn no_seed_breaks_a_law() {
    if let Some(seed) = number("SIMULATION_SEED") {
        play(seed);
        return;
    }
    for seed in 0..number("SIMULATION_SEEDS").unwrap_or(SEEDS) {
        play(seed);
    }
}

fn play(seed: u64) {
    let mut world = World::new(seed);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        eprintln!("SIMULATION_SEED={seed}");
        for request in &world.plan.requests {
            eprintln!("request: {}", support::strict::show(&request.wire));
        }
        for line in &world.trace {
            eprintln!("{line}");
        }
        resume_unwind(panic);
    }
}
