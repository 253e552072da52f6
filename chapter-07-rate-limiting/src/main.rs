//! `rate_limited_lb [port] [host:port[:weight] …] [--limit LIMIT] …`

use std::{error::Error, process::ExitCode, sync::Arc};

use clap::Parser;
use common::{cli, clock, outln};
use connection_pooling::{Server, args::BalancerArgs};
use rate_limiting::{LimitedServer, args::LimitArgs, filter::RateLimits};

/// A load balancer that limits how much each client may ask for.
///
/// Without backends it starts three bundled ones and, without --limit, limits /login to ten requests per minute and
/// client address.
#[derive(Debug, Parser)]
#[command(name = "rate_limited_lb", version)]
struct Args {
    #[command(flatten)]
    balancer: BalancerArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

fn main() -> ExitCode {
    cli::run(run)
}

fn run(Args { mut balancer, limits }: Args) -> Result<ExitCode, Box<dyn Error>> {
    balancer.set_min_body_rate(limits.min_body_rate());
    let config = match limits.into_config(balancer.needs_bundled_backends()) {
        Ok(config) => config,
        Err(reason) => return Ok(cli::usage_error(reason)),
    };
    let (program, pool, workers) = balancer.into_program("rate_limited_lb")?;
    let limits = RateLimits::new(config, workers, clock::now());
    for (name, rule, bytes) in limits.memory() {
        outln!("limit {name}: {rule}, at most {} KiB", bytes.div_ceil(1024));
    }
    if let Some(connections) = limits.connections() {
        let (limit, kib) = (connections.limit(), connections.bytes().div_ceil(1024));
        outln!("at most {limit} connections per address, {kib} KiB");
    }
    program.run(
        || backends::start_bundled(3, 9001),
        |balancer| Ok(Arc::new(LimitedServer::new(Server::with_filter(balancer, pool, workers, limits)))),
    )
}
