//! `pooled_lb [port] [host:port[:weight] …] [-a ALGORITHM] [-p IDLE_PER_BACKEND] [--workers N] …`

use std::{error::Error, process::ExitCode, sync::Arc};

use clap::Parser;
use common::cli;
use connection_pooling::{Server, args::BalancerArgs};

/// A load balancer with a connection pool shared by all clients.
///
/// Without backends it starts three bundled ones.
#[derive(Debug, Parser)]
#[command(name = "pooled_lb", version)]
struct Args {
    #[command(flatten)]
    balancer: BalancerArgs,
}

fn main() -> ExitCode {
    cli::run(run)
}

fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let (program, pool, workers) = args.balancer.into_program("pooled_lb")?;
    program.run(|| backends::start_bundled(3, 9001), |balancer| Ok(Arc::new(Server::new(balancer, pool, workers))))
}
