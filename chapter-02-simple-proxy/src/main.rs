//! `reverse_proxy [port] [host] [port]`

use std::{num::NonZeroUsize, process::ExitCode};

use backends::BundledBackends;
use clap::Parser;
use common::{
    cli::{self, ServeArgs},
    logging,
    net::{self, Listeners},
    outln,
    shutdown::Shutdown,
    signals, stdout,
};
use simple_proxy::{Config, ReverseProxy};

/// A reverse proxy for one HTTP backend. Without a backend argument it starts a bundled one.
#[derive(Debug, Parser)]
#[command(name = "reverse_proxy", version)]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    /// Host of the backend
    #[arg(requires = "backend_port")]
    host: Option<String>,
    /// Port of the backend
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    backend_port: Option<u16>,
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    let args = cli::parse::<Args>();
    logging::init();
    cli::exit_code(run(args))
}

fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let fd_limit = net::raise_fd_limit()?;
    let shutdown = Shutdown::new()?;
    let listeners = Listeners::bind(args.serve.listen_address(args.port), NonZeroUsize::MIN)?;
    let bundled_backends = if args.host.is_none() { Some(backends::start_bundled(1, 9001)?) } else { None };
    let address = listeners.local_address();
    let proxy = ReverseProxy::new(config(args, fd_limit, bundled_backends.as_ref())?);
    let stats_source = proxy.clone();
    signals::spawn(shutdown.clone(), move || outln!("{}", stats_source.stats_table()))?;
    outln!("listening on {address}");
    if let Some(bundled_backends) = &bundled_backends {
        outln!("{}", bundled_backends.usage_hint(address));
    }
    simple_proxy::run(&proxy, listeners, &shutdown)?;
    stdout::print_last_line(proxy.stats_table());
    Ok(())
}

fn config(
    args: Args,
    fd_limit: u64,
    bundled_backends: Option<&BundledBackends>,
) -> Result<Config, Box<dyn std::error::Error>> {
    let addresses = match (bundled_backends, &args.host, args.backend_port) {
        (None, Some(host), Some(port)) => net::resolve(host, port)?,
        (bundled_backends, ..) => bundled_backends.map(BundledBackends::addrs).unwrap_or_default(),
    };
    let backend_name = match (args.host, args.backend_port) {
        (Some(host), Some(port)) => common::endpoint::Endpoint { host, port, weight: None }.to_string(),
        _ => addresses.iter().map(ToString::to_string).collect(),
    };
    Ok(Config {
        backend_name,
        addresses,
        max_clients: net::max_clients_for_fds(
            fd_limit,
            0,
            Some(args.serve.max_client_threads()),
            bundled_backends.is_some(),
        ),
        timeouts: args.serve.timeouts,
        trusted_proxies: args.serve.trusted_proxy,
        log_requests: args.serve.log_requests,
    })
}
