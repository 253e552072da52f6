//! `load_balancer [port] [host:port …]`

use std::process::ExitCode;

use common::cli;
use load_balancer::{program, round_robin::RoundRobin};

fn main() -> ExitCode {
    cli::run(|args| program::run(args, Box::<RoundRobin>::default(), || backends::start_bundled(3, 9001)))
}
