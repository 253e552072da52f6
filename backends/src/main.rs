//! Backends in a process of their own: `backends [port] [id]`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use backends::{BackendConfig, BundledBackends, TcpEcho, UdpEcho};
use common::outln;
use common::shutdown::{Shutdown, ShutdownStage};
use common::signals::SignalHandlers;

/// HTTP test backends. `POST /_fault/down` takes one down; see the package's README for all routes
#[derive(clap::Parser, Debug)]
#[command(name = "backends", version)]
struct Args {
    /// The port to listen on, and the first of several; 0 means an ephemeral port
    #[arg(default_value_t = 9001)]
    port: u16,
    /// The server's id; with --count the part before the number
    #[arg(value_parser = id)]
    id: Option<String>,
    /// Run N backends on consecutive ports, backend-1 to backend-N
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    count: u16,
    /// The IP address to listen on; 0.0.0.0 or :: opens the backends, and their faults, to other machines
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Run a plain TCP echo server instead of HTTP
    #[arg(long, conflicts_with_all = ["id", "count"])]
    tcp_echo: bool,
    /// Run a plain UDP echo server; with an id, each reply begins with it
    #[arg(long, conflicts_with_all = ["tcp_echo", "count"])]
    udp_echo: bool,
}

fn main() -> ExitCode {
    let args: Args = common::cli::parse();
    if args.port != 0 && args.port.checked_add(args.count - 1).is_none() {
        return common::cli::usage_error(format_args!("{} ports starting at {} exceed 65535", args.count, args.port));
    }
    common::logging::init();
    common::cli::exit_code(run(&args))
}

fn run(args: &Args) -> io::Result<()> {
    let shutdown = Shutdown::new()?;
    SignalHandlers::new(shutdown.clone()).spawn()?;
    if args.tcp_echo {
        let echo = TcpEcho::start_on(SocketAddr::new(args.bind, args.port))?;
        outln!("listening on {}", echo.addr());
        shutdown.wait(ShutdownStage::Draining);
        return Ok(());
    }
    if args.udp_echo {
        let echo = UdpEcho::start_on(SocketAddr::new(args.bind, args.port), args.id.as_deref())?;
        outln!("listening on {}", echo.addr());
        shutdown.wait(ShutdownStage::Draining);
        return Ok(());
    }
    let bundled = BundledBackends::start(configs(args))?;
    for addr in bundled.addrs() {
        outln!("listening on {addr}");
    }
    shutdown.wait(ShutdownStage::Draining);
    Ok(())
}

fn configs(args: &Args) -> impl Iterator<Item = BackendConfig> {
    (0..args.count).map(|index| BackendConfig {
        bind: args.bind,
        port: if args.port == 0 { 0 } else { args.port + index },
        id: match (&args.id, args.count) {
            (Some(id), 1) => id.clone(),
            (id, _) => format!("{}-{}", id.as_deref().unwrap_or("backend"), index + 1),
        },
    })
}

fn id(text: &str) -> Result<String, String> {
    let printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    printable.then(|| text.to_owned()).ok_or_else(|| "an id must be printable ASCII without spaces".to_owned())
}
