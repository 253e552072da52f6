//! `observable_lb [port] [host:port[:weight] …] [--metrics IP:PORT] [--admin IP:PORT] …`

use std::process::ExitCode;

use clap::Parser;
use common::cli;
use lb_metrics::{
    program::{self, ObservableArgs},
    record::outcomes::outcome_table,
};
use rate_limiting::filter::limiter_for;

/// A load balancer that says what it does: metrics for Prometheus, at nearly no cost.
///
/// Without arguments it starts three bundled backends, and serves /metrics on the admin interface, 127.0.0.1:9900.
#[derive(Debug, Parser)]
#[command(name = "observable_lb", version)]
struct Args {
    #[command(flatten)]
    program: ObservableArgs,
}

fn main() -> ExitCode {
    let is_bare = std::env::args_os().len() <= 1;
    cli::run(|Args { program }| {
        let make = (limiter_for as _, outcome_table as _);
        program::run("observable_lb", program, is_bare, make, || backends::start_bundled(3, 9001))
    })
}
