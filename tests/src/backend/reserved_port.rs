//! A port that stays bound while its backend does not listen.
//!
//! A backend that stops and starts again needs the same port. Were it free meanwhile, the kernel could assign it to an
//! outgoing connection of any program, and the restart would fail.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// A port that is bound but does not listen: connects are refused, and no other program can take it.
#[derive(Debug)]
pub struct ReservedPort {
    /// Its address.
    pub addr: SocketAddr,
    _bound: Socket,
}

impl ReservedPort {
    /// Binds this address; port 0 is an ephemeral port.
    pub(super) fn bind(addr: SocketAddr) -> Self {
        let bound = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
        // Both sockets need it for a listener to be bound beside this one. std's listeners have it.
        bound.set_reuse_address(true).unwrap();
        bound.bind(&addr.into()).unwrap_or_else(|error| panic!("bind {addr}: {error}"));
        let addr = bound.local_addr().unwrap().as_socket().unwrap();
        Self { addr, _bound: bound }
    }
}

/// A reserved port of the IPv4 loopback address.
pub fn reserved_port() -> ReservedPort {
    ReservedPort::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;
    use std::process::Command;
    use std::thread;

    use super::*;
    use crate::backend::Backend;

    #[test]
    fn a_port_stays_reserved_between_two_backends() {
        let mut port = reserved_port();
        let addr = port.addr;
        for _ in 0..2 {
            assert_eq!(TcpStream::connect(addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
            let backend = Backend::start_on(port, |_| {});
            assert_eq!(backend.addr(), addr);
            assert!(TcpStream::connect(addr).is_ok());
            port = backend.stop();
        }
    }

    /// Between fork and exec, a child of any other thread has the listener, too.
    #[test]
    fn a_backend_restarts_while_other_threads_start_programs() {
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..200).for_each(|_| assert!(Command::new("true").status().unwrap().success())));
            }
            let mut port = reserved_port();
            for _ in 0..300 {
                port = Backend::start_on(port, |_| {}).stop();
            }
        });
    }
}
