//! Chapter 8's `observable_lb` with your table of outcomes.

use std::process::ExitCode;

use clap::Parser;
use common::cli;
use exercises_08::e5_outcome_table::table;
use lb_metrics::program::{self, ObservableArgs};
use rate_limiting::filter::limiter_for;

/// A load balancer whose requests are counted in your own table.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    program: ObservableArgs,
}

fn main() -> ExitCode {
    let is_bare = std::env::args_os().len() <= 1;
    cli::run(|Args { program }| {
        let make = (limiter_for as _, table as _);
        program::run("your_table_lb", program, is_bare, make, || backends::start_bundled(3, 9001))
    })
}
