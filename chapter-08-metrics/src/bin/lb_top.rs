//! `lb_top [URL] [--once]`

use std::process::ExitCode;

use clap::Parser;
use common::cli;
use lb_metrics::top::{self, TopArgs};

/// What a load balancer does now, in a terminal: rates, backends, workers, limits, events.
///
/// For any balancer from chapter 8 on, whose admin interface it reads once a second. `?` shows the keys.
#[derive(Debug, Parser)]
#[command(name = "lb_top", version)]
struct Args {
    #[command(flatten)]
    top: TopArgs,
}

fn main() -> ExitCode {
    // Without logging: a line on stderr would go across the screen.
    let Args { top } = cli::parse();
    cli::exit_code(top::run(top))
}
