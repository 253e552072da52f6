//! `advanced_lb [port] [host:port[:weight] …] [-a ALGORITHM] …`

use std::{error::Error, process::ExitCode};

use advanced_features::{args::Args, program::Program};
use common::cli;

fn main() -> ExitCode {
    cli::run(run)
}

fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let program = Program::new("advanced_lb", args.port, args.balance, args.serve).admin(args.admin.admin);
    program.run(|| backends::start_bundled(3, 9001), Ok)
}
