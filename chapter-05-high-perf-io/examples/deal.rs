//! How the kernel distributes connections over listeners that share a port: by a hash of the addresses, not by count.
//!
//! ```console
//! $ cargo run -p chapter-05-high-perf-io --example deal                  # 8 clients, 4 listeners, 20 times
//! $ cargo run -p chapter-05-high-perf-io --example deal -- 1000 4
//! ```
//!
//! Over many connections the shares are nearly equal. Over a few long-lived ones they are not, and a worker that got
//! five of eight keeps them until they close. `high_perf_lb` corrects this: see `src/downstream/handoff.rs`.

use std::{
    error::Error,
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    num::NonZeroUsize,
    process::ExitCode,
};

use clap::Parser;
use common::{cli, net::Listeners, outln};

/// Shows how the kernel distributes connections over listeners on one port.
#[derive(Debug, Parser)]
struct Args {
    /// Number of clients
    #[arg(default_value = "8", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    clients: u16,
    /// Number of listeners
    #[arg(default_value = "4")]
    listeners: NonZeroUsize,
    /// Number of runs
    #[arg(default_value_t = 20)]
    times: u32,
}

fn main() -> ExitCode {
    let args = cli::parse::<Args>();
    cli::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut fullest = 0;
    let mut even = 0;
    for _ in 0..args.times {
        let mut counts = deal(args)?;
        counts.sort_unstable();
        outln!("{counts:?}");
        fullest = fullest.max(counts[counts.len() - 1]);
        even += u32::from(counts[counts.len() - 1] - counts[0] <= 1);
    }
    outln!("the fullest listener had {fullest} of {}; {even} of {} deals were even", args.clients, args.times);
    Ok(())
}

/// How many clients each listener got.
fn deal(args: &Args) -> Result<Vec<usize>, Box<dyn Error>> {
    let listeners = Listeners::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), args.listeners)?;
    let connect = |_| TcpStream::connect(listeners.local_address());
    // The kernel completes the handshakes: each connection waits in the accept queue of one listener.
    let _clients = (0..args.clients).map(connect).collect::<io::Result<Vec<_>>>()?;
    Ok(listeners.iter().map(|listener| std::iter::from_fn(|| listener.accept().ok()).count()).collect())
}

#[test]
fn every_client_gets_exactly_one_listener() {
    let args = Args { clients: 50, listeners: NonZeroUsize::new(4).unwrap(), times: 1 };
    let counts = deal(&args).unwrap();
    assert_eq!((counts.len(), counts.iter().sum::<usize>()), (4, 50));
}
