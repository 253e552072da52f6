//! `echo_server [port] [--threads | --udp]`

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use clap::Parser;
use common::{cli, logging, net, outln, shutdown::Shutdown, signals};
use fundamentals::{
    listener::{bind_tcp_listener, bind_udp_socket},
    serve,
    udp_echo::echo_datagrams,
};

/// Echo server over TCP (one client at a time, or a thread per client) or UDP.
#[derive(Debug, Parser)]
#[command(name = "echo_server", version)]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    /// The IP address to listen on; 0.0.0.0 or :: opens the program to other machines
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = cli::parse_ip)]
    bind: IpAddr,
    /// Serve each client on its own thread
    #[arg(long)]
    threads: bool,
    /// Echo UDP datagrams in place of TCP streams
    #[arg(long, conflicts_with = "threads")]
    udp: bool,
}

fn main() -> ExitCode {
    let args = cli::parse::<Args>();
    logging::init();
    cli::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    net::raise_fd_limit()?;
    let shutdown = Shutdown::new()?;
    let address = SocketAddr::new(args.bind, args.port);
    let socket = if args.udp { bind_udp_socket(address)? } else { bind_tcp_listener(address)? };
    // There are no statistics to print; SIGUSR1 is handled anyway, because its default action ends the process.
    signals::spawn(shutdown.clone(), || {})?;
    outln!("listening on {}", socket.local_address()?);
    match args {
        Args { udp: true, .. } => echo_datagrams(&socket, &shutdown)?,
        Args { threads: true, .. } => serve::serve_thread_per_client(socket, &shutdown)?,
        _ => serve::serve_iterative(socket, &shutdown)?,
    }
    Ok(())
}
