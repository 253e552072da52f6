//! An address that neither accepts nor refuses a connect.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::wait::ms;

/// A listener whose accept queue is full: a connect to it times out.
#[derive(Debug)]
pub struct BlackHole {
    /// Its address.
    pub addr: SocketAddr,
    _held: Vec<Socket>,
}

/// An address on the loopback interface that drops packets.
pub fn black_hole() -> BlackHole {
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
    panic!("the accept queue does not fill");
}
