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

use support::{strict, tell};
use world::{Seen, World};

/// What fits into a few seconds of the dev profile.
const SEEDS: u64 = 12_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[test]
fn no_seed_breaks_a_law() {
    if let Some(seed) = number("SIMULATION_SEED") {
        let seen = play(seed, true);
        tell(&format!("{seen:?}"));
        return;
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let mut seen = Seen::default();
    for seed in 0..seeds {
        seen.add(&play(seed, false));
    }
    tell(&format!("{seen:?}"));
    // A simulation in which nothing goes wrong proves nothing.
    assert!(seeds < SEEDS || seen.least() >= 100, "hardly happened: {seen:?}");
}

fn play(seed: u64, verbose: bool) -> Seen {
    let mut world = World::new(seed);
    let played = catch_unwind(AssertUnwindSafe(|| world.run()));
    if verbose || played.is_err() {
        tell(&format!("SIMULATION_SEED={seed}"));
        for request in &world.plan.requests {
            tell(&format!("request: {}", strict::show(&request.wire)));
        }
        for line in &world.trace {
            tell(line);
        }
    }
    played.map_or_else(|panic| resume_unwind(panic), |()| world.seen)
}
