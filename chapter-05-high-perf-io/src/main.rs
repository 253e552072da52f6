//! `high_perf_lb [port] [host:port[:weight] …] [-a ALGORITHM] [--workers N] …`

use std::{num::NonZeroUsize, process::ExitCode, sync::Arc, thread};

use advanced_features::{Balancer, args::BalanceArgs};
use clap::Parser;
use common::{
    cli::{self, ServeArgs, WorkerArgs},
    net::{self, Listeners},
    outln,
    shutdown::Shutdown,
    signals, stdout,
    worker::fds_for_workers,
};
use high_perf_io::{POLLER_NAME, Server};
use load_balancer::dns_refresher::SystemResolver;

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

fn run(args: Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Args { port, balance, workers, serve } = args;
    let workers = workers.workers.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let fd_limit = net::raise_fd_limit()?;
    let bundled_backends =
        if balance.needs_bundled_backends() { Some(backends::start_bundled(3, 9001)?) } else { None };
    let address = serve.listen_address(port);
    let bundled_addrs = bundled_backends.as_ref().map(backends::BundledBackends::addrs);
    let requested_clients = serve.max_clients.map(NonZeroUsize::get);
    let max_clients =
        net::max_clients_for_fds(fd_limit, fds_for_workers(workers), requested_clients, bundled_backends.is_some());
    let config = match balance.into_config(serve, max_clients, bundled_addrs.as_deref(), false) {
        Ok(config) => config,
        Err(reason) => return Ok(cli::usage_error(reason)),
    };
    let shutdown = Shutdown::new()?;
    let listeners = Listeners::bind(address, workers)?;
    let address = listeners.local_address();
    let server = Arc::new(Server::new(Balancer::new("high_perf_lb", config, SystemResolver)?, workers)?);
    let stats_server = Arc::clone(&server);
    signals::spawn(shutdown.clone(), move || outln!("{}", stats_server.statistics()))?;
    outln!("listening on {address}");
    let threads = if workers.get() == 1 { "worker thread" } else { "worker threads" };
    outln!("{workers} {threads} on {POLLER_NAME}, at most {max_clients} client connections");
    if let Some(bundled_backends) = &bundled_backends {
        outln!("{}", bundled_backends.usage_hint(address));
    }
    high_perf_io::run(&server, listeners, &shutdown)?;
    stdout::print_last_line(server.statistics());
    Ok(ExitCode::SUCCESS)
}
