//! `echo_client [host] [port] [--udp]`

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Parser;
use common::{cli, logging, net};
use fundamentals::{
    client::{self, ClientError},
    connect::connect_first,
    socket::Socket,
};
use nix::sys::socket::SockType;

/// Longer than a handshake that succeeds takes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Sends standard input to an echo server and prints the echo; Ctrl-D ends it.
#[derive(Debug, Parser)]
#[command(name = "echo_client", version)]
struct Args {
    /// Host of the server
    #[arg(default_value = "127.0.0.1")]
    host: String,
    /// Port of the server
    #[arg(default_value = "8080", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// A UDP datagram per line in place of a TCP stream
    #[arg(long)]
    udp: bool,
}

fn main() -> ExitCode {
    let args = cli::parse::<Args>();
    logging::init();
    let result = net::resolve(&args.host, args.port)
        .map_err(|error| ClientError::Failed(error.to_string()))
        .and_then(|addresses| if args.udp { run_udp(&addresses) } else { run_tcp(&addresses) });
    cli::exit_code(match result {
        Ok(()) | Err(ClientError::StdoutClosed) => Ok(()),
        Err(ClientError::Failed(message)) => Err(message),
    })
}

fn run_tcp(addresses: &[SocketAddr]) -> Result<(), ClientError> {
    let server = connect_first(addresses, CONNECT_TIMEOUT).map_err(ClientError::Failed)?;
    client::tcp::run(&server)
}

/// A connected UDP socket receives only from its peer, and reports `ECONNREFUSED` if the port has no listener. UDP
/// has no handshake that tells which address works, so the first one is used.
fn run_udp(addresses: &[SocketAddr]) -> Result<(), ClientError> {
    let server = addresses.first().ok_or_else(|| ClientError::Failed("no address".into())).and_then(|&address| {
        let connected = Socket::new(address, SockType::Datagram).and_then(|socket| {
            socket.connect(address)?;
            Ok(socket)
        });
        connected.map_err(|error| ClientError::Failed(format!("cannot connect a UDP socket to {address}: {error}")))
    })?;
    client::udp::run(&server)
}
