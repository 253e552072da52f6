//! Every algorithm, the same requests: `cargo run -p chapter-07-rate-limiting --example burst`.
//!
//! A client is quiet, sends forty requests at once shortly before a second is over, forty more shortly after, and then
//! one every 20 ms: five times as many as the limit of 10/s lets through. Time is simulated, so nothing waits.

use std::{process::ExitCode, time::Duration};

use common::outln;
use rate_limiting::{
    algorithm::{Algorithm, FixedWindow, Gcra, GovernorGcra, SlidingLog, SlidingWindow, TokenBucket},
    rate::{Quota, Rate},
};

/// One character of the plot.
const STEP: Duration = Duration::from_millis(100);
const STEPS: usize = 40;

/// When requests come, in milliseconds.
fn schedule() -> impl Iterator<Item = u64> {
    let burst = |at| std::iter::repeat_n(at, 40);
    burst(950).chain(burst(1_050)).chain((1_060..4_000).step_by(20))
}

/// How many requests pass in each step, and the most in any second.
fn run<A: Algorithm>(algorithm: &A) -> ([usize; STEPS], usize) {
    let state = A::State::default();
    let passed: Vec<u64> =
        schedule().filter(|ms| algorithm.check(&state, 1, Duration::from_millis(*ms)).allowed).collect();
    let in_step = |step: u64| passed.iter().filter(|ms| u128::from(**ms) / STEP.as_millis() == step.into()).count();
    let most = passed.iter().map(|begin| passed.iter().filter(|ms| (*begin..begin + 1_000).contains(ms)).count()).max();
    (std::array::from_fn(|step| in_step(step as u64)), most.unwrap_or(0))
}

/// A character per step: `.` for none, a digit, `+` for ten and more.
fn plot(steps: &[usize; STEPS]) -> String {
    let mark = |count: &usize| match u32::try_from(*count).ok().and_then(|count| char::from_digit(count, 10)) {
        Some('0') => '.',
        Some(digit) => digit,
        None => '+',
    };
    steps.iter().map(mark).collect()
}

fn main() -> ExitCode {
    let rate: Rate = "10/s".parse().expect("a rate");
    let quota = Quota::new(rate).with_burst(5.try_into().expect("not 0")).expect("it refills at once");
    let rows = [
        ("gcra", run(&Gcra::new(quota))),
        ("token", run(&TokenBucket::new(quota))),
        ("governor", run(&GovernorGcra::new(quota))),
        ("fixed", run(&FixedWindow::new(rate))),
        ("sliding", run(&SlidingWindow::new(rate))),
        ("log", run(&SlidingLog::new(rate))),
    ];
    outln!("10/s, burst 5; passed in each tenth of a second: . none, + ten or more");
    outln!("");
    outln!("          0 s       1 s       2 s       3 s       most in");
    outln!("alg       |         |         |         |         any second   all");
    for (name, (steps, most)) in rows {
        let all: usize = steps.iter().sum();
        outln!("{name:<9} {}  {most:>10}  {all:>4}", plot(&steps));
    }
    ExitCode::SUCCESS
}
