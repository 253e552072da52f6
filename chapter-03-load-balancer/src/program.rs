//! The program, from its command line to its exit: `load_balancer [port] [host:port …]`.
//!
//! In the library, so that a program with another policy is a `main` of a few lines: exercise 3.7 has one.

use std::{error::Error, io, net::SocketAddr, num::NonZeroUsize, process::ExitCode, time::Duration};

use clap::Parser;
use common::{
    cli::{self, InProcessBackends, ServeArgs},
    endpoint::Endpoint,
    net::{self, Listeners},
    outln,
    shutdown::Shutdown,
    signals, stdout,
};

use crate::{
    balancer::{Balancer, Config},
    dns_refresher::SystemResolver,
    pick::Pick,
};

/// A round-robin load balancer for HTTP backends. Without backends it starts three bundled ones.
#[derive(Debug, Parser)]
#[command(name = "load_balancer", version)]
pub struct Args {
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

/// Runs the program until a signal ends it. `picker` picks the backend of each request; `start_bundled` starts backends
/// in this process, if the command line names none.
///
/// # Errors
/// What the machine refuses: a port in use, a name that does not resolve, no descriptors left.
pub fn run<B: InProcessBackends>(
    args: Args,
    picker: Box<dyn Pick>,
    start_bundled: impl FnOnce() -> io::Result<B>,
) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(reason) = check_backends(&args.backends) {
        return Ok(cli::usage_error(reason));
    }
    let fd_limit = net::raise_fd_limit()?;
    let shutdown = Shutdown::new()?;
    let listeners = Listeners::bind(args.serve.listen_address(args.port), NonZeroUsize::MIN)?;
    let bundled = args.backends.is_empty().then(start_bundled).transpose()?;
    let address = listeners.local_address();
    let config = config(args, fd_limit, bundled.as_ref().map(InProcessBackends::addrs));
    let balancer = Balancer::new(config, SystemResolver, picker)?;
    let stats_source = balancer.clone();
    signals::spawn(shutdown.clone(), move || outln!("{}", stats_source.stats_table()))?;
    outln!("listening on {address}");
    if let Some(bundled) = &bundled {
        outln!("{}", bundled.usage_hint(address));
    }
    crate::run(&balancer, listeners, &shutdown)?;
    stdout::print_last_line(balancer.stats_table());
    Ok(ExitCode::SUCCESS)
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

/// The configuration. `bundled` are the addresses of the backends in this process, if there are any.
fn config(args: Args, fd_limit: u64, bundled: Option<Vec<SocketAddr>>) -> Config {
    let endpoint =
        |address: SocketAddr| Endpoint { host: address.ip().to_string(), port: address.port(), weight: None };
    Config {
        max_clients: net::max_clients_for_fds(fd_limit, 0, Some(args.serve.max_client_threads()), bundled.is_some()),
        backends: bundled.map_or(args.backends, |addresses| addresses.into_iter().map(endpoint).collect()),
        resolve_interval: args.resolve_interval,
        down_time: args.down_time,
        timeouts: args.serve.timeouts,
        trusted_proxies: args.serve.trusted_proxy,
        log_requests: args.serve.log_requests,
    }
}
