//! From nothing to a socket that clients can reach: four calls, in this order.

use std::{io, net::SocketAddr};

use nix::{errno::Errno, sys::socket::SockType};

use crate::socket::Socket;

// ANCHOR: listen
/// A socket that listens on `address`. It does not block: a client may have left again by the time that
/// we accept it, and we would sleep until the next one comes.
///
/// # Errors
/// One line that says which address, and what to do.
pub fn bind_tcp_listener(address: SocketAddr) -> io::Result<Socket> {
    let open = || {
        let socket = Socket::new(address, SockType::Stream)?;
        socket.set_reuse_address()?;
        socket.bind(address)?;
        socket.listen()?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    open().map_err(|errno| bind_error(address, errno))
}
// ANCHOR_END: listen

/// A socket that takes datagrams at `address`. Nobody connects, so there is nothing to listen for.
///
/// # Errors
/// As [`listen_on`].
pub fn bind_udp_socket(address: SocketAddr) -> io::Result<Socket> {
    let open = || {
        let socket = Socket::new(address, SockType::Datagram)?;
        // No SO_REUSEADDR: a datagram socket has no TIME_WAIT, and with it two servers could share a port.
        socket.bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    open().map_err(|errno| bind_error(address, errno))
}

fn bind_error(address: SocketAddr, errno: Errno) -> io::Error {
    let reason = match errno {
        Errno::EADDRINUSE => "the address is in use; choose another port or stop the program that has it",
        Errno::EADDRNOTAVAIL => "no interface of this machine has this address",
        Errno::EACCES => "permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE",
        other => other.desc(),
    };
    let kind = io::Error::from(errno).kind();
    io::Error::new(kind, format!("cannot listen on {address}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_address_is_refused_with_the_reason() {
        let any = "127.0.0.1:0".parse().unwrap();
        for open in [bind_tcp_listener, bind_udp_socket] {
            let holder: Socket = open(any).unwrap();
            let address = holder.local_address().unwrap();
            let error = open(address).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            assert!(error.to_string().starts_with(&format!("cannot listen on {address}: the address is in use")));
        }
    }
}
