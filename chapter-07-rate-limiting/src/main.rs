//! `rate_limited_lb [port] [host:port[:weight] …] [--limit LIMIT] …`

use std::process::ExitCode;

use clap::Parser;
use common::cli;
use rate_limiting::{
    filter::limiter_for,
    program::{self, ProgramArgs},
};

/// A load balancer that limits how much each client may ask for.
///
/// Without backends it starts three bundled ones and, without --limit, limits /login to ten requests per minute and
/// client address.
#[derive(Debug, Parser)]
#[command(name = "rate_limited_lb", version)]
struct Args {
    #[command(flatten)]
    program: ProgramArgs,
}

fn main() -> ExitCode {
    cli::run(|Args { program }| {
        program::run("rate_limited_lb", program, limiter_for, || backends::start_bundled(3, 9001))
    })
}
