//! `advanced_lb [port] [host:port[:weight] …] [-a ALGORITHM] …`

use std::{error::Error, process::ExitCode};

use advanced_features::{
    args::{AdminArgs, BalanceArgs},
    program::{Program, Threads},
};
use clap::Parser;
use common::cli::{self, ServeArgs};

/// An HTTP load balancer with algorithms, health checks, limits and content routing.
///
/// Without backends it starts three bundled ones.
#[derive(Debug, Parser)]
#[command(name = "advanced_lb", version)]
struct Args {
    /// Port to listen on; 0 means an ephemeral port
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    cli::run(run)
}

fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let Args { port, balance, admin: AdminArgs { admin }, serve } = args;
    let program = Program { name: "advanced_lb", port, balance, admin, serve, threads: Threads::PerClient };
    program.run(|| backends::start_bundled(3, 9001), Ok)
}
