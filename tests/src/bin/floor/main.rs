//! `floor PORT WORKERS BACKEND [BACKEND ...]`: copies bytes between clients and backends without parsing them.
//!
//! No proxy can cost less than this: the kernel's price for one `recv` and one `send` in each direction, and for the
//! readiness events. This program pays that and nothing else. It is measured in every set, so that a proxy's own cost
//! is the difference.
//!
//! Each client gets a connection to a backend for as long as it stays, round robin. One event loop per worker, one
//! listener per loop (`SO_REUSEPORT`), one buffer per loop.

mod pair;
mod worker;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::mpsc;
use std::{io, thread};

use common::{cli, net, net::Listeners, outln};

use crate::worker::Worker;

/// Copies bytes between clients and backends without parsing them
#[derive(clap::Parser, Debug)]
struct Options {
    /// The port to listen on, on 127.0.0.1; 0 means an ephemeral port
    port: u16,
    /// Worker threads, each with its own event loop
    workers: NonZeroUsize,
    /// The backends, as 127.0.0.1:9001
    #[arg(required = true)]
    backends: Vec<SocketAddr>,
}

fn main() -> ExitCode {
    let options: Options = cli::parse();
    let _ = net::raise_fd_limit(); // too few descriptors are reported when they run out
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    match Listeners::bind(address, options.workers) {
        Ok(listeners) => cli::exit_code(run(listeners, &options.backends)),
        Err(error) => cli::exit_code(Err(error)),
    }
}

/// Runs until a worker fails: clients would wait for ever in the accept queue of a worker that is gone.
fn run(listeners: Listeners, backends: &[SocketAddr]) -> io::Result<()> {
    let address = listeners.local_address();
    let (failed, failure) = mpsc::channel();
    for (number, listener) in listeners.into_vec().into_iter().enumerate() {
        let mut worker = Worker::new(listener, backends.to_vec(), number)?;
        let failed = failed.clone();
        let work = move || {
            let _ = failed.send(worker.run());
        };
        thread::Builder::new().name(format!("floor {number}")).spawn(work)?;
    }
    drop(failed);
    outln!("listening on {address}");
    failure.recv().unwrap_or(Ok(()))
}
