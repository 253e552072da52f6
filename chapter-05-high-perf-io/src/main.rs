//! `high_perf_lb [port] [host:port[:weight] …] [-a ALGORITHM] [--workers N] …`

use std::{error::Error, process::ExitCode, sync::Arc};

use advanced_features::{
    args::BalanceArgs,
    program::{Program, Threads},
};
use clap::Parser;
use common::cli::{self, ServeArgs, WorkerArgs};
use high_perf_io::{POLLER_NAME, Server};

/// A load balancer with one event loop per worker thread.
///
/// Without backends it starts three bundled ones.
#[derive(Debug, Parser)]
#[command(name = "high_perf_lb", version)]
struct Args {
    /// Port to listen on; 0 means an ephemeral port
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    cli::run(run)
}

fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let Args { port, balance, workers, serve } = args;
    let count = workers.count();
    let threads = Threads::Workers { count, poller: Some(POLLER_NAME), extra_fds: 0 };
    let program = Program::new("high_perf_lb", port, balance, serve).threads(threads);
    program.run(|| backends::start_bundled(3, 9001), |balancer| Server::new(balancer, count).map(Arc::new))
}
