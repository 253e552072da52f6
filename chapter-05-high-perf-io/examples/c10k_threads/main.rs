//! What idle clients cost: one thread per client, or one event loop for all.
//!
//! Each variant is a server in its own process, started afresh, so that nothing else is measured: the clients' ends of
//! the connections belong to this process. Every client is served once, so that its thread has touched its stack. The
//! kernel's memory for a connection, a few KiB, is the same in both variants and not in these numbers; a thread costs
//! the kernel 16 KiB more, which is not in them either.
//!
//! ```console
//! $ cargo run -p chapter-05-high-perf-io --example c10k_threads
//! $ cargo run -p chapter-05-high-perf-io --example c10k_threads -- 10000
//! ```
//!
//! Linux only: the numbers come from `/proc`.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitCode, Stdio},
};

use clap::{Parser, ValueEnum};
use common::{cli, net::raise_fd_limit, outln};

use crate::status::status;

mod servers;
#[path = "../status/mod.rs"]
mod status;

/// Descriptors that are not clients' sockets.
const OWN_FDS: u64 = 32;

/// Measures what idle clients cost.
#[derive(Debug, Parser)]
struct Args {
    /// Number of clients
    #[arg(default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    clients: u64,
    /// Run as the server
    #[arg(long, hide = true)]
    serve: Option<Way>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    Threads,
    Loop,
}

fn main() -> ExitCode {
    let args = cli::parse::<Args>();
    cli::exit_code(match args.serve {
        Some(way) => servers::serve(way),
        None => measure(args.clients),
    })
}

fn measure(requested_clients: u64) -> io::Result<()> {
    let possible = raise_fd_limit()?.saturating_sub(OWN_FDS).max(1);
    let clients = requested_clients.min(possible);
    if clients < requested_clients {
        outln!("The limit of open files allows {clients} clients: raise `ulimit -n`.");
    }
    outln!("{clients} idle clients   threads  resident before  resident with them  for each");
    for way in [Way::Threads, Way::Loop] {
        let server = Server::start(way)?;
        // The first client causes the allocations that happen only once.
        let _first = server.client()?;
        let before = server.status("VmRSS")?;
        let _clients = (0..clients).map(|_| server.client()).collect::<io::Result<Vec<_>>>()?;
        let (threads, with) = (server.status("Threads")?, server.status("VmRSS")?);
        let each = with.saturating_sub(before) * 1024 / clients;
        outln!("{:>20}   {threads:7}  {before:11} KiB  {with:14} KiB  {each:5} bytes", format!("{way:?}"));
    }
    Ok(())
}

/// A server in its own process, killed when dropped.
#[derive(Debug)]
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(way: Way) -> io::Result<Self> {
        let way = way.to_possible_value().expect("no variant is hidden");
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.args(["--serve", way.get_name()]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| io::Error::other("the server did not start"))?;
        Ok(Self { process, address })
    }

    /// A client that has been served once.
    fn client(&self) -> io::Result<TcpStream> {
        let mut client = TcpStream::connect(self.address)?;
        client.write_all(b"x")?;
        let refused = |_| io::Error::other("the server accepts no more clients: see `ulimit -u` and `ulimit -n`");
        client.read_exact(&mut [0]).map_err(refused)?;
        Ok(client)
    }

    fn status(&self, key: &str) -> io::Result<u64> {
        status(&self.process.id().to_string(), key)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
