//! The suites: a module each, their cases collected here.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::runner::Case;
use crate::wait::ms;

mod balance;
mod failover;
mod forward;
mod framing;
mod own_answer;
mod proxy;
mod robustness;
mod smuggling;
mod sockets;

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
