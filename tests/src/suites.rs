//! The suites: a module each, their cases collected here.

use std::io::Write as _;
use std::net::SocketAddr;
use std::thread;

use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};

use crate::Context;
use crate::backend::Backend;
use crate::client::Client;
use crate::process::Program;
use crate::runner::Case;
use crate::wait::{PATIENCE, eventually, ms, pause, until};

mod admin;
mod algorithms;
mod balance;
mod c10k;
mod failover;
mod forward;
mod framing;
mod health;
mod identity;
mod limits;
mod own_answer;
mod pooling;
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
        c10k::cases(),
        pooling::cases(),
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

/// So many clients, each of which has sent a request.
fn asking(program: &Program, count: usize) -> Vec<Client> {
    let mut clients: Vec<_> = (0..count).map(|_| program.client()).collect();
    for client in &mut clients {
        client.request("GET", "/", "");
    }
    clients
}

/// How many of them have an answer that was not read yet.
fn answered(clients: &mut [Client]) -> usize {
    clients.iter_mut().map(Client::has_news).filter(|has| *has).count()
}

/// Lets everybody do `work` at once, each with its number, and waits for all.
fn together(everybody: usize, work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for number in 0..everybody {
            let work = &work;
            scope.spawn(move || work(number));
        }
    });
}

/// Waits until every thread of the program sleeps, so that it has dealt with all that was sent to it.
fn settle(program: &Program) {
    let mut asleep = 0;
    until("the program has nothing to do", || {
        pause(ms(4));
        asleep = if program.sleeps() { asleep + 1 } else { 0 };
        asleep == 4
    });
}

/// How many clients each of so many loops has, by a table that is printed now.
fn clients_of_loops(program: &Program, loops: usize) -> Vec<usize> {
    let tables = |said: &str| said.matches("--- statistics").count();
    let before = tables(&program.stdout());
    program.signal(Signal::SIGUSR1);
    let table = eventually(PATIENCE, || {
        let said = program.stdout();
        let rows = said.rsplit("--- statistics").next()?.lines().filter_map(connections_of_worker).collect::<Vec<_>>();
        (tables(&said) > before && rows.len() == loops).then_some(rows)
    });
    table.unwrap_or_else(|| panic!("no line for each of {loops} workers: {}", program.stdout()))
}

/// The number in `worker 0: 3 client connections`.
fn connections_of_worker(line: &str) -> Option<usize> {
    let (_, connections) = line.strip_prefix("worker ")?.strip_suffix(" client connections")?.split_once(": ")?;
    connections.parse().ok()
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
