//! An echo server on `epoll`, the kernel's own interface (Linux): one thread, any number of clients.
//!
//! Each socket is registered once, and one call returns those that are readable. *Level-triggered*, the default: as
//! long as bytes are there. *Edge-triggered*: once, when bytes arrive. The buffer is shorter than a line typed by hand.
//!
//! ```console
//! $ cargo run -p chapter-05-high-perf-io --example epoll_echo                       # every line comes back
//! $ cargo run -p chapter-05-high-perf-io --example epoll_echo -- --edge             # of a long line, 16 bytes
//! $ cargo run -p chapter-05-high-perf-io --example epoll_echo -- --edge --drain     # every line comes back
//! $ nc 127.0.0.1 8080                                                               # in a second terminal: type
//! ```
//!
//! What fails with `--edge`: one read per event. The bytes that it leaves cause no further event: this is the lost
//! wake-up. The next line *does* cause one, and the read returns 16 bytes of the line before. With `--drain` the server
//! reads until a read would block; only then is the next event certain to come.

use std::process::ExitCode;

use clap::Parser;
use common::cli;

#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
use server::start;

/// An echo server on epoll.
#[derive(Debug, Clone, Copy, Parser)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there is no epoll here"))]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    /// Use edge-triggered events instead of level-triggered ones
    #[arg(long)]
    edge: bool,
    /// Read until a read would block
    #[arg(long, requires = "edge")]
    drain: bool,
}

fn main() -> ExitCode {
    cli::exit_code(start(cli::parse()))
}

#[cfg(not(target_os = "linux"))]
fn start(_: Args) -> std::io::Result<()> {
    common::outln!("epoll exists on Linux only: the example mio_echo does the same on kqueue");
    Ok(())
}
