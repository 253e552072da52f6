//! `origin PORT [--delay 50ms]`: a server behind a proxy under test, which costs as little as it can.
//!
//! A measurement has two cores: one for the proxy, one for all the rest. Whatever the backend takes of the second, the
//! load generator lacks. So this one is a single loop whose answers are written before they are asked for. The bundled
//! backends (`cargo run -p backends`) are real servers with real features; this is not one.
//!
//! | request | answer |
//! |---|---|
//! | `GET /bytes/N` | N bytes, byte `i` being `i % 251`, as the bundled backends have it |
//! | `GET /_count` | `{"connections": …, "requests": …}`: accepted and answered so far |
//! | any other, its body read to the end | 14 bytes of text |
//!
//! `--delay` makes it a slow backend: every answer comes that much later. `Expect: 100-continue` is not answered.

mod answer;
mod body;
mod connection;
mod request;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use common::{cli, net, net::Listeners, outln};

use crate::server::Server;

/// A backend for measurements: one thread, answers made in advance
#[derive(clap::Parser, Debug)]
struct Options {
    /// The port to listen on, on 127.0.0.1; 0 lets the system choose
    port: u16,
    /// How long each answer takes
    #[arg(long, value_name = "TIME", value_parser = cli::parse_duration)]
    delay: Option<Duration>,
}

fn main() -> ExitCode {
    let options: Options = cli::parse();
    let _ = net::raise_fd_limit(); // too few are reported once they lack
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listeners = match Listeners::bind(address, NonZeroUsize::MIN) {
        Ok(listeners) => listeners,
        Err(error) => return cli::exit_code(Err(error)),
    };
    let address = listeners.local_address();
    let ended = Server::new(listeners.into_first(), options.delay).and_then(|mut server| {
        outln!("listening on {address}");
        server.run()
    });
    cli::exit_code(ended)
}
