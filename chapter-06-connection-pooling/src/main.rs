//! `pooled_lb [port] [host:port[:weight] …] [-a ALGORITHM] [-p IDLE_PER_BACKEND] [--workers N] …`

use std::{num::NonZeroUsize, process::ExitCode, sync::Arc, thread};

use advanced_features::{
    Balancer,
    admin::{self, AdminResponse, AdminServer},
    args::{AdminArgs, BalanceArgs},
};
use clap::Parser;
use common::{
    cli::{self, ServeArgs, WorkerArgs},
    clock::now,
    net::{self, Listeners},
    outln,
    shutdown::Shutdown,
    signals, stdout,
    worker::fds_for_workers,
};
use connection_pooling::{Server, args::PoolArgs};
use load_balancer::dns_refresher::SystemResolver;

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

fn run(args: Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Args { port, balance, pool, admin: AdminArgs { admin }, workers, serve } = args;
    let workers = workers.workers.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let fd_limit = net::raise_fd_limit()?;
    let pool = pool.config(fd_limit);
    let bundled_backends =
        if balance.needs_bundled_backends() { Some(backends::start_bundled(3, 9001)?) } else { None };
    let address = serve.listen_address(port);
    let bundled_addrs = bundled_backends.as_ref().map(backends::BundledBackends::addrs);
    let own_fds = fds_for_workers(workers) + u64::try_from(pool.limits.max_idle_total)?;
    let requested_clients = serve.max_clients.map(NonZeroUsize::get);
    let max_clients = net::max_clients_for_fds(fd_limit, own_fds, requested_clients, bundled_backends.is_some());
    let config = match balance.into_config(serve, max_clients, bundled_addrs.as_deref(), admin.is_some()) {
        Ok(config) => config,
        Err(reason) => return Ok(cli::usage_error(reason)),
    };
    let shutdown = Shutdown::new()?;
    let listeners = Listeners::bind(address, workers)?;
    let address = listeners.local_address();
    let balancer = Balancer::new("pooled_lb", config, SystemResolver)?;
    let server = Arc::new(Server::new(Arc::clone(&balancer), pool, workers));
    let admin = admin.map(|address| start_admin(address, &balancer, &server)).transpose()?;
    let stats_server = Arc::clone(&server);
    signals::spawn(shutdown.clone(), move || outln!("{}", stats_server.statistics()))?;
    outln!("listening on {address}");
    let threads = if workers.get() == 1 { "worker thread" } else { "worker threads" };
    outln!("{workers} {threads}, at most {max_clients} client connections");
    if let Some(admin) = &admin {
        outln!("admin interface on {}", admin.address());
    }
    if let Some(bundled_backends) = &bundled_backends {
        outln!("{}", bundled_backends.usage_hint(address));
    }
    connection_pooling::run(&server, listeners, &shutdown)?;
    stdout::print_last_line(server.statistics());
    Ok(ExitCode::SUCCESS)
}

/// Chapter 4's admin interface, with the pool at `/pool`.
fn start_admin(
    address: std::net::SocketAddr,
    balancer: &Arc<Balancer>,
    server: &Arc<Server>,
) -> std::io::Result<AdminServer> {
    let (balancer, server) = (Arc::clone(balancer), Arc::clone(server));
    AdminServer::start(address, move |request| match (request.path.as_str(), request.method.as_str()) {
        ("/pool", "GET") => AdminResponse::json(200, &server.pool_status()),
        _ => admin::handle_request(&*balancer, request, now()),
    })
}
