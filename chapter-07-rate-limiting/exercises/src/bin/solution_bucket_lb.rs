//! Chapter 7's `rate_limited_lb` with the token bucket of the solution.

use std::process::ExitCode;

use clap::Parser;
use common::cli;
use exercises_07::solutions::e5_token_bucket::bucket;
use rate_limiting::{
    filter::limiter_for,
    limiter::{KeyedLimiter, RateLimiter},
    program::{self, ProgramArgs},
    rule::{AlgorithmName, LimitRule},
};

/// A load balancer whose limits with `alg=gcra` and `alg=token` are the token bucket of the solution.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    program: ProgramArgs,
}

fn main() -> ExitCode {
    cli::run(|Args { program }| {
        program::run("solution_bucket_lb", program, limiter, || backends::start_bundled(3, 9001))
    })
}

fn limiter(rule: &LimitRule, keys: usize) -> Box<dyn RateLimiter> {
    match rule.algorithm {
        AlgorithmName::Gcra | AlgorithmName::Token => Box::new(KeyedLimiter::new(bucket(rule.quota), keys)),
        _ => limiter_for(rule, keys),
    }
}
