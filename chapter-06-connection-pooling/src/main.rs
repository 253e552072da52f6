//! `pooled_lb [port] [host:port[:weight] …] [-a ALGORITHM] [-p IDLE_PER_BACKEND] [--workers N] …`

use std::{error::Error, process::ExitCode, sync::Arc};

use advanced_features::{
    args::{AdminArgs, BalanceArgs},
    program::{Program, Threads},
};
use clap::Parser;
use common::{
    cli::{self, ServeArgs, WorkerArgs},
    net,
};
use connection_pooling::{Server, args::PoolArgs};

/// A load balancer with a connection pool shared by all clients.
///
/// Without backends it starts three bundled ones.
#[derive(Debug, Parser)]
#[command(name = "pooled_lb", version)]
struct Args {
    /// Port to listen on; 0 means an ephemeral port
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    cli::run(run)
}

fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let Args { port, balance, pool, admin: AdminArgs { admin }, workers, serve } = args;
    let (count, pool) = (workers.count(), pool.config(net::raise_fd_limit()?));
    let threads = Threads::Workers { count, poller: None, extra_fds: pool.max_fds() };
    let program = Program::new("pooled_lb", port, balance, serve).admin(admin).threads(threads);
    program.run(|| backends::start_bundled(3, 9001), |balancer| Ok(Arc::new(Server::new(balancer, pool, count))))
}
