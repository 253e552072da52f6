//! Runs your solution of 3.6, to try it by hand: `cargo run -p chapter-03-exercises --example stats`.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use clap::Parser;
use common::{cli, outln};
use exercises_03::contracts::{Endpoint, Stats};
use exercises_03::e6_stats;

/// Starts the endpoint that you wrote, on 127.0.0.1, with simulated counters; Ctrl-C ends it.
#[derive(Debug, Parser)]
#[command(name = "stats")]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
}

/// Simulated counters: each read adds a request. The second backend is down, and all of its requests fail.
struct SimulatedStats {
    requests: [AtomicU64; 2],
}

impl Stats for SimulatedStats {
    fn backends(&self) -> usize {
        self.requests.len()
    }
    fn name(&self, backend: usize) -> String {
        format!("127.0.0.1:{}", 9001 + backend)
    }
    fn is_up(&self, backend: usize) -> bool {
        backend == 0
    }
    fn started(&self, backend: usize) -> u64 {
        self.requests[backend].fetch_add(1, SeqCst) + 3
    }
    fn finished(&self, backend: usize) -> u64 {
        self.requests[backend].fetch_add(1, SeqCst)
    }
    fn failed(&self, backend: usize) -> u64 {
        if self.is_up(backend) { 0 } else { self.finished(backend) }
    }
}

fn main() -> ExitCode {
    cli::exit_code(serve(&cli::parse::<Args>()))
}

fn serve(args: &Args) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))?;
    outln!("listening on {}", listener.local_addr()?);
    e6_stats::endpoint(Arc::new(SimulatedStats { requests: Default::default() })).serve(&listener)
}
