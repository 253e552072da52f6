//! Chapter 6's `pooled_lb` with your pool.

use std::{error::Error, process::ExitCode, sync::Arc};

use clap::Parser;
use common::cli;
use connection_pooling::{Server, args::BalancerArgs};
use exercises_06::e5_connection_pool::Pool;
use tokio::net::TcpStream;

/// A load balancer with your pool.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    balancer: BalancerArgs,
}

fn main() -> ExitCode {
    cli::run(run)
}

fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let (program, pool, workers) = args.balancer.into_program("your_pool_lb")?;
    program.run(
        || backends::start_bundled(3, 9001),
        |balancer| Ok(Arc::new(Server::<(), Pool<TcpStream>>::with_parts(balancer, pool, workers, ()))),
    )
}
