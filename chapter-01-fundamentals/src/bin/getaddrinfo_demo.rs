//! `getaddrinfo_demo [host] [port]`

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use common::{cli, outln};
use fundamentals::{
    connect::connect_timeout,
    resolve::{ResolvedAddress, lookup_host},
};

/// How long each address may take before the next one is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Prints the addresses that a name resolves to, and connects to the first one that accepts.
#[derive(Debug, Parser)]
#[command(name = "getaddrinfo_demo", version)]
struct Args {
    /// The name or IP address to look up
    #[arg(default_value = "localhost")]
    host: String,
    /// The port to connect to
    #[arg(default_value = "80", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
}

fn main() -> ExitCode {
    let args = cli::parse::<Args>();
    let found = lookup_host(&args.host, args.port);
    if let Ok(found) = &found {
        print_addresses(found);
        connect_in_order(found);
    }
    cli::exit_code(found.map(drop))
}

fn print_addresses(found: &[ResolvedAddress]) {
    for (resolved, number) in found.iter().zip(1..) {
        outln!("{number:2}  {resolved}");
    }
    let streams = found.iter().filter(|resolved| resolved.is_stream()).count();
    outln!("{} addresses, {streams} for stream sockets", found.len());
}

// ANCHOR: try
/// A refused connection is a result, too, so it does not change the exit code.
fn connect_in_order(found: &[ResolvedAddress]) {
    for ResolvedAddress { address, .. } in found.iter().filter(|resolved| resolved.is_stream()) {
        match connect_timeout(*address, CONNECT_TIMEOUT).and_then(|socket| socket.peer_address()) {
            Ok(peer) => return outln!("connected to {peer}"),
            Err(error) => outln!("{address}: {error}"),
        }
    }
}
// ANCHOR_END: try
