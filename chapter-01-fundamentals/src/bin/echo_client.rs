//! `echo_client [host] [port] [--udp]`

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Parser;
use common::{cli, logging, net};
use fundamentals::{
    client::{self, Ended},
    connect::connect_first,
    socket::Socket,
};
use nix::sys::socket::SockType;

/// Longer than any handshake takes that is going to succeed.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Sends what you type, and prints what comes back; Ctrl-D ends it.
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
    let ended = net::resolve(&args.host, args.port)
        .map_err(|error| Ended::Because(error.to_string()))
        .and_then(|addresses| if args.udp { datagrams(&addresses) } else { stream(&addresses) });
    cli::exit_code(match ended {
        Ok(()) | Err(Ended::Unread) => Ok(()),
        Err(Ended::Because(why)) => Err(why),
    })
}

fn stream(addresses: &[SocketAddr]) -> Result<(), Ended> {
    let server = connect_first(addresses, CONNECT_LIMIT).map_err(Ended::Because)?;
    client::tcp::talk(&server)
}

/// A connected datagram socket hears from nobody else, and is told when nobody listens there. Nothing tells
/// which address is alive, so the first one is taken.
fn datagrams(addresses: &[SocketAddr]) -> Result<(), Ended> {
    let server = addresses.first().ok_or_else(|| Ended::Because("no address".into())).and_then(|&address| {
        let connected = Socket::new(address, SockType::Datagram).and_then(|socket| {
            socket.connect(address)?;
            Ok(socket)
        });
        connected.map_err(|error| Ended::Because(format!("cannot connect a UDP socket to {address}: {error}")))
    })?;
    client::udp::talk(&server)
}
