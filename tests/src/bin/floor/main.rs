//! `floor PORT WORKERS BACKEND [BACKEND ...]`: moves bytes between clients and backends, and reads none of them.
//!
//! What a proxy costs on a machine has a floor that no proxy can get under: the kernel's price for one `recv` and one
//! `send` in each direction, and for being told when. This program pays that and nothing else. It is measured in every
//! set, so that a proxy's own share is what it costs more.
//!
//! Each client gets a connection to a backend for as long as it stays, in turn. One loop per worker, one listener per
//! loop (`SO_REUSEPORT`), one buffer per loop.

mod pair;
mod worker;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::mpsc;
use std::{io, thread};

use common::{cli, net, net::Listeners, outln};

use crate::worker::Worker;

/// Moves bytes between clients and backends without reading any of them
#[derive(clap::Parser, Debug)]
struct Options {
    /// The port to listen on, on 127.0.0.1; 0 lets the system choose
    port: u16,
    /// Worker threads, each with a loop of its own
    workers: NonZeroUsize,
    /// The backends, as 127.0.0.1:9001
    #[arg(required = true)]
    backends: Vec<SocketAddr>,
}

fn main() -> ExitCode {
    let options: Options = cli::parse();
    let _ = net::raise_fd_limit(); // too few are reported once they lack
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    match Listeners::bind(address, options.workers) {
        Ok(listeners) => cli::exit_code(run(listeners, &options.backends)),
        Err(error) => cli::exit_code(Err(error)),
    }
}

/// Runs until a worker fails: one that is gone would leave its clients waiting in its listener's queue.
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
