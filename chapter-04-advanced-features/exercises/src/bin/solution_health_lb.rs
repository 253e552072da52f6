//! Chapter 4's balancer with our solution of exercise 4.7: the command line of `advanced_lb`.

use std::{error::Error, process::ExitCode};

use advanced_features::{args::Args, program::Program};
use common::cli;
use exercises_04::solutions::e7_health_status::health_status;

fn main() -> ExitCode {
    cli::run(run)
}

fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let program = Program::new("solution_health_lb", args.port, args.balance, args.serve).admin(args.admin.admin);
    program.health_status(health_status).run(|| backends::start_bundled(3, 9001), Ok)
}
