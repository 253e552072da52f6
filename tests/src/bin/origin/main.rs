//! `origin PORT [--delay 50ms] [--bind 0.0.0.0]`: a server behind a proxy under test that uses as little CPU time as possible.
//!
//! A measurement has two CPU cores: one for the proxy, one for the rest. Whatever the origin uses of the second, the
//! load generator lacks. So this is a single event loop whose responses are built in advance. The bundled backends
//! (`cargo run -p backends`) are real servers with real features; this is not one.
//!
//! | request | answer |
//! |---|---|
//! | `GET /bytes/N` | N bytes, byte `i` being `i % 251`, as the bundled backends have it |
//! | `GET /_count` | `{"connections": …, "requests": …}`: connections that sent a request, requests answered so far |
//! | any other, its body read to the end | 14 bytes of text |
//!
//! `--delay` makes it a slow backend: every response is sent that much later. `Expect: 100-continue` is not answered.
//! `--bind 0.0.0.0` makes it as many backends as there are addresses: on Linux the whole of 127.0.0.0/8 is local, so
//! one process is 127.0.1.1, 127.0.1.2 and so on. A connection without a request is a health check and is not counted.
//! `--echo` also returns datagrams, on the UDP port of the same number.

mod body;
mod connection;
mod echo;
mod request;
mod response;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;
use std::{io, thread};

use common::{cli, net, net::Listeners, outln};

use crate::{echo::Echo, server::Server};

/// An origin server for measurements: one thread, responses built in advance
#[derive(clap::Parser, Debug)]
struct Options {
    /// The port to listen on; 0 means an ephemeral port
    port: u16,
    /// The address to listen on; 0.0.0.0 listens on all
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST)]
    bind: Ipv4Addr,
    /// Delay before each response
    #[arg(long, value_name = "TIME", value_parser = cli::parse_duration)]
    delay: Option<Duration>,
    /// Also echo datagrams, on the UDP port of the same number
    #[arg(long)]
    echo: bool,
}

fn main() -> ExitCode {
    let options: Options = cli::parse();
    let _ = net::raise_fd_limit(); // too few descriptors are reported when they run out
    let address = SocketAddr::from((options.bind, options.port));
    let listeners = match Listeners::bind(address, NonZeroUsize::MIN) {
        Ok(listeners) => listeners,
        Err(error) => return cli::exit_code(Err(error)),
    };
    let address = listeners.local_address();
    if options.echo
        && let Err(error) = start_echo(address)
    {
        return cli::exit_code(Err(error));
    }
    let ended = Server::new(listeners.into_first(), options.delay).and_then(|mut server| {
        outln!("listening on {address}");
        server.run()
    });
    cli::exit_code(ended)
}

/// On a thread of its own, for as long as the process runs.
fn start_echo(address: SocketAddr) -> io::Result<()> {
    let echo = Echo::bind(address)?;
    let run = move || {
        // The load notices a failure: no echo comes any more.
        let _ = echo.run();
    };
    thread::Builder::new().name("echo".to_owned()).spawn(run).map(drop)
}
