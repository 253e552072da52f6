//! Balancing by DNS: a name server that answers with the addresses of healthy backends.
//!
//! ```console
//! $ cargo run -p chapter-09-zero-copy --example dns_lb                    # three backends in this process
//! $ dig @127.0.0.1 -p 8053 www.example.test                               # in a second terminal, twice
//! $ cargo run -p chapter-09-zero-copy --example dns_lb -- 8053 127.0.0.1:9001 127.0.0.2:9001 --ttl 30s
//! $ cargo run -p chapter-09-zero-copy --example dns_lb -- --demo          # what caches make of it
//! ```
//!
//! An A record has no port: clients use the one that they know, so all backends must listen on the same one. Backends on
//! one machine therefore need addresses of their own, and Linux has the whole of 127.0.0.0/8 for that. `answer.rs` decides,
//! without sockets; `server.rs` has the sockets.

mod answer;
mod cache;
mod demo;
mod health;
mod local_backends;
mod server;
mod turns;
mod zone;

#[cfg(test)]
mod raw_dns;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use advanced_features::health::active::config::CheckConfig;
use clap::Parser;
use common::{cli, outln};

use crate::{
    health::BackendHealth,
    local_backends::LocalBackends,
    server::{DnsSockets, NameServer},
    turns::Turns,
    zone::{Zone, ZoneError},
};

/// The port of the backends in this process.
const BACKEND_PORT: u16 = 9001;

/// An authoritative name server whose answers are the addresses of healthy backends.
#[derive(Debug, Parser)]
struct Args {
    /// Port to listen on, UDP and TCP; 0 lets the kernel choose
    #[arg(default_value_t = 8053, value_parser = cli::parse_port)]
    port: u16,
    /// Backends, such as 192.0.2.1:80: addresses, no names, and all with one port, because A records carry none
    backends: Vec<SocketAddr>,
    /// How long resolvers may keep an answer, in whole seconds
    #[arg(long, default_value = "2s", value_parser = parse_ttl)]
    ttl: u32,
    /// The balanced name; the labels after the first are the zone
    #[arg(long, default_value = "www.example.test")]
    name: String,
    /// Health check: `tcp` or `http:/path`, with options as in chapter 4
    #[arg(long, default_value = "tcp")]
    check: CheckConfig,
    /// Show what two caching resolvers do to the balancing, and exit
    #[arg(long, conflicts_with_all = ["backends", "ttl", "name", "check"])]
    demo: bool,
}

fn parse_ttl(text: &str) -> Result<u32, String> {
    let ttl = cli::parse_duration(text)?;
    if ttl.subsec_nanos() != 0 {
        return Err("a TTL is in whole seconds".into());
    }
    u32::try_from(ttl.as_secs()).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    cli::run(|args: Args| {
        if args.demo {
            return demo::run().map(|()| ExitCode::SUCCESS);
        }
        if args.backends.iter().any(|backend| backend.port() != args.backends[0].port()) {
            return Ok(cli::usage_error("all backends must have the same port: A records carry none"));
        }
        start(args)
    })
}

fn start(args: Args) -> io::Result<ExitCode> {
    let local = if args.backends.is_empty() { Some(LocalBackends::start(3, BACKEND_PORT)?) } else { None };
    let backends = local.as_ref().map_or(args.backends, LocalBackends::addresses);
    let zone = match zone(&args.name, &backends, args.ttl) {
        Ok(zone) => zone,
        Err(error) => return Ok(cli::usage_error(error)),
    };
    let sockets = DnsSockets::bind(args.port)?;
    let address = sockets.address()?;
    outln!("listening on {address}");
    if let Some(local) = &local {
        outln!("{}", local.usage_hint());
    }
    outln!("try this:        dig @{} -p {} {}", address.ip(), address.port(), args.name);
    let health = BackendHealth::start(&backends, args.check)?;
    sockets.serve(&Arc::new(NameServer { zone, health, turns: Turns::default() }))?;
    Ok(ExitCode::SUCCESS)
}

/// The zone of `name` with the addresses of `backends`.
fn zone(name: &str, backends: &[SocketAddr], ttl: u32) -> Result<Zone, ZoneError> {
    let addresses: Vec<IpAddr> = backends.iter().map(SocketAddr::ip).collect();
    Zone::new(name, addresses, ttl, Ipv4Addr::LOCALHOST)
}

/// How often the demonstration and the tests check a backend whose health may change.
const FAST_CHECK: Duration = Duration::from_millis(5);
