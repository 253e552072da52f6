//! Chapter 8's `observable_lb` with the table of outcomes of the solution.

use std::process::ExitCode;

use clap::Parser;
use common::cli;
use exercises_08::solutions::e5_outcome_table::table;
use lb_metrics::program::{self, ObservableArgs};
use rate_limiting::filter::limiter_for;

/// A load balancer whose requests are counted in the solution's table.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    program: ObservableArgs,
}

fn main() -> ExitCode {
    let is_bare = std::env::args_os().len() <= 1;
    cli::run(|Args { program }| {
        let make = (limiter_for as _, table as _);
        program::run("solution_table_lb", program, is_bare, make, || backends::start_bundled(3, 9001))
    })
}
