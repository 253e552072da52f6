//! How the kernel deals clients out to listeners that share a port: by a hash of their addresses, not by a count.
//!
//! ```console
//! $ cargo run -p chapter-05-high-perf-io --example deal                  # 8 clients, 4 listeners, 20 times
//! $ cargo run -p chapter-05-high-perf-io --example deal -- 1000 4
//! ```
//!
//! Over many clients the shares come near each other. Over few that stay, they do not, and a loop that got five of eight
//! has them for as long as they stay. What mends it in `high_perf_lb` is `clients.rs`.

use std::{
    error::Error,
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    num::NonZeroUsize,
    process::ExitCode,
};

use clap::Parser;
use common::{cli, net::Listeners, outln};

/// Deals clients out to listeners on one port, as the kernel does it.
#[derive(Debug, Parser)]
struct Args {
    /// Clients
    #[arg(default_value = "8", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    clients: u16,
    /// Listeners
    #[arg(default_value = "4")]
    listeners: NonZeroUsize,
    /// How often
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
    // The handshake is the kernel's: who is connected waits in the queue of one of the listeners.
    let _clients = (0..args.clients).map(connect).collect::<io::Result<Vec<_>>>()?;
    Ok(listeners.iter().map(|listener| std::iter::from_fn(|| listener.accept().ok()).count()).collect())
}

#[test]
fn every_client_is_dealt_to_one_listener() {
    let args = Args { clients: 50, listeners: NonZeroUsize::new(4).unwrap(), times: 1 };
    let counts = deal(&args).unwrap();
    assert_eq!((counts.len(), counts.iter().sum::<usize>()), (4, 50));
}
