//! `load_balancer [port] [host:port …]`

use std::{num::NonZeroUsize, process::ExitCode, time::Duration};

use backends::BundledBackends;
use clap::Parser;
use common::{
    cli::{self, ServeArgs},
    endpoint::Endpoint,
    logging,
    net::{self, Listeners},
    outln,
    shutdown::Shutdown,
    signals, stdout,
};
use load_balancer::{Balancer, Config, dns_refresher::SystemResolver};

/// A round-robin load balancer for HTTP backends. Without backends it starts three bundled ones.
#[derive(Debug, Parser)]
#[command(name = "load_balancer", version)]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    /// Backends, such as 127.0.0.1:9001 or localhost:9001; an IPv6 address in brackets
    #[arg(value_name = "HOST:PORT")]
    backends: Vec<Endpoint>,
    /// How often backend names are resolved again
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = cli::parse_duration)]
    resolve_interval: Duration,
    /// How long a backend stays marked down after a failed connect
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = cli::parse_duration)]
    down_time: Duration,
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    let args = cli::parse::<Args>();
    if let Some(error) = check_backends(&args.backends) {
        return cli::usage_error(error);
    }
    logging::init();
    cli::exit_code(run(args))
}

/// An error if a backend is listed twice, or has a weight.
fn check_backends(backends: &[Endpoint]) -> Option<String> {
    let duplicate = backends.iter().enumerate().find(|(at, endpoint)| {
        backends[..*at].iter().any(|other| (&other.host, other.port) == (&endpoint.host, endpoint.port))
    });
    let weighted = || backends.iter().find(|endpoint| endpoint.weight.is_some());
    match duplicate {
        Some((_, endpoint)) => Some(format!("duplicate backend {endpoint}; list each backend once")),
        None => weighted().map(|endpoint| {
            format!(
                "backend {endpoint} has a weight, which plain round robin does not support; use chapter 4's advanced_lb"
            )
        }),
    }
}

fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let fd_limit = net::raise_fd_limit()?;
    let shutdown = Shutdown::new()?;
    let listeners = Listeners::bind(args.serve.listen_address(args.port), NonZeroUsize::MIN)?;
    let bundled_backends = if args.backends.is_empty() { Some(backends::start_bundled(3, 9001)?) } else { None };
    let address = listeners.local_address();
    let balancer = Balancer::new(config(args, fd_limit, bundled_backends.as_ref()), SystemResolver)?;
    let stats_source = balancer.clone();
    signals::spawn(shutdown.clone(), move || outln!("{}", stats_source.stats_table()))?;
    outln!("listening on {address}");
    if let Some(bundled_backends) = &bundled_backends {
        outln!("{}", bundled_backends.usage_hint(address));
    }
    load_balancer::run(&balancer, listeners, &shutdown)?;
    stdout::print_last_line(balancer.stats_table());
    Ok(())
}

fn config(args: Args, fd_limit: u64, bundled_backends: Option<&BundledBackends>) -> Config {
    let endpoints_of = |bundled_backends: &BundledBackends| {
        let endpoint = |address: std::net::SocketAddr| Endpoint {
            host: address.ip().to_string(),
            port: address.port(),
            weight: None,
        };
        bundled_backends.addrs().into_iter().map(endpoint).collect()
    };
    Config {
        backends: bundled_backends.map_or(args.backends, endpoints_of),
        resolve_interval: args.resolve_interval,
        down_time: args.down_time,
        max_clients: net::max_clients_for_fds(
            fd_limit,
            0,
            Some(args.serve.max_client_threads()),
            bundled_backends.is_some(),
        ),
        timeouts: args.serve.timeouts,
        trusted_proxies: args.serve.trusted_proxy,
        log_requests: args.serve.log_requests,
    }
}
