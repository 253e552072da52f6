//! `forward_proxy [port]`

use std::{net::SocketAddr, num::NonZeroUsize, process::ExitCode};

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
use simple_proxy::forward_proxy::{self, Config, ForwardProxy, acl::AllowRule, credentials::Credentials};

/// A forward proxy: absolute-form requests and CONNECT. Clients must be configured to use it (`curl -x`).
#[derive(Debug, Parser)]
#[command(name = "forward_proxy", version)]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8888, value_parser = cli::parse_port)]
    port: u16,
    /// Allow this destination: a network, a host or *.suffix (repeatable; default: any destination)
    #[arg(long, value_name = "CIDR|HOST|*.SUFFIX")]
    allow: Vec<AllowRule>,
    /// Require these credentials (Basic) on every request
    #[arg(long, value_name = "USER:PASSWORD")]
    auth: Option<Credentials>,
    #[command(flatten)]
    serve: ServeArgs,
}

impl Args {
    /// An error for flags that are valid on their own but not together.
    fn flag_conflict(&self) -> Option<&'static str> {
        let open = self.allow.is_empty() && self.auth.is_none();
        if open && !self.is_loopback() {
            return Some(
                "--bind to a non-loopback address makes this an open proxy: restrict destinations with --allow or clients with --auth",
            );
        }
        if !self.serve.trusted_proxy.is_empty() {
            return Some("--trusted-proxy has no effect on a forward proxy: it sends no X-Forwarded-* headers");
        }
        None
    }

    fn is_loopback(&self) -> bool {
        self.serve.bind.to_canonical().is_loopback()
    }

    /// Whether the proxy is started to try it out, without restrictions: then it also starts a demo backend.
    fn wants_demo_backend(&self) -> bool {
        self.is_loopback() && self.allow.is_empty() && self.auth.is_none()
    }
}

fn main() -> ExitCode {
    let args = cli::parse::<Args>();
    if let Some(conflict) = args.flag_conflict() {
        return cli::usage_error(conflict);
    }
    logging::init();
    cli::exit_code(run(args))
}

fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let fd_limit = net::raise_fd_limit()?;
    let shutdown = Shutdown::new()?;
    let listeners = Listeners::bind(args.serve.listen_address(args.port), NonZeroUsize::MIN)?;
    let bundled_backends = if args.wants_demo_backend() { Some(backends::start_bundled(1, 9001)?) } else { None };
    let address = listeners.local_address();
    let max_clients = Some(args.serve.max_client_threads());
    let max_clients = net::max_clients_for_fds(fd_limit, 0, max_clients, bundled_backends.is_some());
    let proxy = ForwardProxy::new(config(args, max_clients), address);
    let stats_source = proxy.clone();
    signals::spawn(shutdown.clone(), move || outln!("{}", stats_source.stats_table()))?;
    outln!("listening on {address}");
    if let Some(destination) =
        bundled_backends.as_ref().map(BundledBackends::addrs).and_then(|addrs| addrs.first().copied())
    {
        outln!("{}", usage_hint(address, destination));
    }
    forward_proxy::run(&proxy, listeners, &shutdown)?;
    stdout::print_last_line(proxy.stats_table());
    Ok(())
}

fn usage_hint(proxy: SocketAddr, destination: SocketAddr) -> String {
    format!(
        "a test backend runs in this process on {destination}\n\
         try this:        curl -x http://{proxy} http://{destination}/headers\n\
         through CONNECT: curl -p -x http://{proxy} http://{destination}/"
    )
}

fn config(args: Args, max_clients: usize) -> Config {
    Config {
        allow: args.allow,
        auth: args.auth,
        max_clients,
        timeouts: args.serve.timeouts,
        log_requests: args.serve.log_requests,
    }
}
