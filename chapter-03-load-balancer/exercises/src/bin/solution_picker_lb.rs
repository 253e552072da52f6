//! Chapter 3's balancer with our picker of exercise 3.7.

use std::process::ExitCode;

use common::cli;
use exercises_03::solutions::e7_picker;
use load_balancer::program;

fn main() -> ExitCode {
    cli::run(|args| program::run(args, e7_picker::picker(), || backends::start_bundled(3, 9001)))
}
