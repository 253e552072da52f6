//! The suites: a module each, their cases collected here.

use std::io::Write as _;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::Context;
use crate::backend::Backend;
use crate::runner::Case;
use crate::wait::ms;

mod admin;
mod algorithms;
mod balance;
mod failover;
mod forward;
mod framing;
mod health;
mod identity;
mod limits;
mod own_answer;
mod proxy;
mod retry;
mod robustness;
mod routing;
mod smuggling;
mod sockets;
mod sticky;

/// Every case of every suite.
pub(crate) fn all() -> impl Iterator<Item = Case> {
    [
        sockets::cases(),
        proxy::cases(),
        forward::cases(),
        framing::cases(),
        smuggling::cases(),
        robustness::cases(),
        balance::CASES.to_vec(),
        failover::CASES.to_vec(),
        algorithms::cases(),
        health::cases(),
        retry::cases(),
        sticky::cases(),
        routing::cases(),
        limits::cases(),
        identity::CASES.to_vec(),
        admin::cases(),
    ]
    .into_iter()
    .flatten()
}

/// The cases of several files of a suite, in order.
fn collect(files: &[&'static [Case]]) -> Vec<Case> {
    files.iter().flat_map(|file| file.iter().copied()).collect()
}

/// A listener that nobody accepts from, its queue full: a connect to it gets no answer at all.
struct BlackHole {
    addr: SocketAddr,
    _held: Vec<Socket>,
}

fn black_hole() -> BlackHole {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut held = vec![listener];
    for _ in 0..64 {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let connected = filler.connect_timeout(&addr, ms(300)).is_ok();
        held.push(filler);
        if !connected {
            return BlackHole { addr: addr.as_socket().unwrap(), _held: held };
        }
    }
    panic!("the queue of a listener that accepts nobody does not fill");
}

/// A port where nobody listens and nobody else can: connects are refused while this lives.
struct Reserved {
    addr: SocketAddr,
    _bound: Socket,
}

fn reserved() -> Reserved {
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = bound.local_addr().unwrap().as_socket().unwrap();
    Reserved { addr, _bound: bound }
}

/// Backends that answer each request with their name and close, and where they are.
fn named(names: &[&str]) -> (Vec<Backend>, Vec<SocketAddr>) {
    let backends: Vec<_> = names.iter().map(|name| Backend::ok(name)).collect();
    let addrs = backends.iter().map(Backend::addr).collect();
    (backends, addrs)
}

/// A file with a secret in it, gone when dropped.
fn secret_file(secret: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(secret.as_bytes()).unwrap();
    file
}

/// Asserts that the program refuses this command line with 64 and one line, which says `says`.
fn refuses(ctx: &Context, line: &[&str], says: &str) {
    let finished = ctx.run(line);
    assert_eq!(finished.code, 64, "{line:?}: {finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{line:?}: one line on stderr: {finished:?}");
    assert!(finished.stderr.contains(says), "{line:?}: it should say {says:?}: {finished:?}");
    assert!(!finished.stderr.contains("panicked") && finished.stdout.is_empty(), "{line:?}: {finished:?}");
}
