//! An echo server on `epoll`, the kernel's own interface (Linux): one thread, any number of clients.
//!
//! The kernel is told once which sockets matter, and asked in one call which of them have something to read. It can
//! answer in two ways. *Level-triggered*, the default: as long as something is there. *Edge-triggered*: once, when
//! something comes. The buffer is small, so that a line typed by hand is longer than a read.
//!
//! ```console
//! $ cargo run -p chapter-05-high-perf-io --example epoll_echo                       # every line comes back
//! $ cargo run -p chapter-05-high-perf-io --example epoll_echo -- --edge             # of a long line, 16 bytes
//! $ cargo run -p chapter-05-high-perf-io --example epoll_echo -- --edge --drain     # every line comes back
//! $ nc 127.0.0.1 8080                                                               # in a second terminal: type
//! ```
//!
//! What fails with `--edge`: one read per event. What it leaves is no news, so there is no event for it: this is the lost
//! wake-up. The next line *is* news, and fetches 16 bytes of the one before it. With `--drain` the server reads until the
//! kernel says that nothing is left; only then is the next event certain to come.

use std::process::ExitCode;

use clap::Parser;
use common::cli;

#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
use server::start;

/// An echo server on epoll.
#[derive(Debug, Clone, Copy, Parser)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there is no epoll to tell it to"))]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    /// Be told when something has come, not while something is there
    #[arg(long)]
    edge: bool,
    /// Read until nothing is left
    #[arg(long, requires = "edge")]
    drain: bool,
}

fn main() -> ExitCode {
    cli::exit_code(start(cli::parse()))
}

#[cfg(not(target_os = "linux"))]
fn start(_: Args) -> std::io::Result<()> {
    common::outln!("epoll is Linux's own: the example mio_echo is the same on kqueue");
    Ok(())
}
