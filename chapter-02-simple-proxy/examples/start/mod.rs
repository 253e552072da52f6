//! The code that all steps share: the command line of `reverse_proxy`, a bundled backend if none is given, and the
//! loop that serves one client after another.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
};

use clap::Parser;
use common::{cli, logging, net, outln};

/// A naive reverse proxy; the top of its source says what fails. Without a backend argument it starts a bundled one.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080)]
    port: u16,
    /// Host of the backend
    #[arg(requires = "backend_port")]
    host: Option<String>,
    /// Port of the backend
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    backend_port: Option<u16>,
}

/// The `main` of a step: listens, and calls `serve` for one client after another.
pub(crate) fn main(serve: impl Fn(&TcpStream, SocketAddr) -> io::Result<()>) -> ExitCode {
    let args = cli::parse::<Args>();
    logging::init();
    cli::exit_code(start(args, serve))
}

fn start(args: Args, serve: impl Fn(&TcpStream, SocketAddr) -> io::Result<()>) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", args.port))?;
    let address = listener.local_addr()?;
    outln!("listening on {address}");
    if let (Some(host), Some(port)) = (args.host, args.backend_port) {
        return serve_all(&listener, net::resolve(&host, port)?[0], serve);
    }
    let bundled_backends = backends::start_bundled(1, 9001)?;
    outln!("{}", bundled_backends.usage_hint(address));
    serve_all(&listener, bundled_backends.addrs()[0], serve)
}

fn serve_all(
    listener: &TcpListener,
    backend: SocketAddr,
    serve: impl Fn(&TcpStream, SocketAddr) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        let (client, peer) = listener.accept()?;
        if let Err(error) = serve(&client, backend) {
            tracing::warn!("{peer}: {error}");
        }
    }
}

/// Runs a step in a test, with its own bundled backend, until the test ends.
#[cfg(test)]
pub(crate) fn running(serve: fn(&TcpStream, SocketAddr) -> io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let bundled_backends = backends::start_bundled(1, 0).unwrap();
        serve_all(&listener, bundled_backends.addrs()[0], serve)
    });
    address
}
