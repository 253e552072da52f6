//! `advanced_lb [port] [host:port[:weight] …] [-a ALGORITHM] …`

use std::{num::NonZeroUsize, process::ExitCode};

use advanced_features::{
    Balancer,
    admin::{self, AdminServer},
    args::{AdminArgs, BalanceArgs},
};
use clap::Parser;
use common::{
    cli::{self, ServeArgs},
    clock::now,
    net::{self, Listeners},
    outln,
    shutdown::Shutdown,
    signals, stdout,
};
use load_balancer::dns_refresher::SystemResolver;

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

fn run(args: Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Args { port, balance, admin: AdminArgs { admin }, serve } = args;
    let file_limit = net::raise_fd_limit()?;
    let bundled_backends =
        if balance.needs_bundled_backends() { Some(backends::start_bundled(3, 9001)?) } else { None };
    let address = serve.listen_address(port);
    let bundled_addrs = bundled_backends.as_ref().map(backends::BundledBackends::addrs);
    let max_clients =
        net::max_clients_for_fds(file_limit, 0, Some(serve.max_client_threads()), bundled_backends.is_some());
    let config = match balance.into_config(serve, max_clients, bundled_addrs.as_deref(), admin.is_some()) {
        Ok(config) => config,
        Err(error) => return Ok(cli::usage_error(error)),
    };
    let shutdown = Shutdown::new()?;
    let listeners = Listeners::bind(address, NonZeroUsize::MIN)?;
    let address = listeners.local_address();
    let balancer = Balancer::new("advanced_lb", config, SystemResolver)?;
    let admin_balancer = balancer.clone();
    let handler = move |request: &admin::AdminRequest| admin::handle_request(&*admin_balancer, request, now());
    let admin = admin.map(|address| AdminServer::start(address, handler)).transpose()?;
    let stats_balancer = balancer.clone();
    signals::spawn(shutdown.clone(), move || outln!("{}", stats_balancer.stats_table()))?;
    outln!("listening on {address}");
    if let Some(admin) = &admin {
        outln!("admin interface on {}", admin.address());
    }
    if let Some(bundled_backends) = &bundled_backends {
        outln!("{}", bundled_backends.usage_hint(address));
    }
    advanced_features::run(&balancer, listeners, &shutdown)?;
    stdout::print_last_line(balancer.stats_table());
    Ok(ExitCode::SUCCESS)
}
