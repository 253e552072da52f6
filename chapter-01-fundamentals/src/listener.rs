//! Server sockets: the system calls that make a socket reachable for clients, in order.

use std::{io, net::SocketAddr};

use nix::{errno::Errno, sys::socket::SockType};

use crate::socket::Socket;

// ANCHOR: listen
/// A socket that listens on `address`. It is non-blocking: a client may reset its connection between poll and
/// accept, and a blocking accept would then wait for the next client.
///
/// # Errors
/// One line that names the address and says what to do.
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

/// A socket that receives datagrams at `address`. UDP has no connections, so there is no listen(2).
///
/// # Errors
/// As [`bind_tcp_listener`].
pub fn bind_udp_socket(address: SocketAddr) -> io::Result<Socket> {
    let open = || {
        let socket = Socket::new(address, SockType::Datagram)?;
        // No SO_REUSEADDR: a UDP socket has no TIME_WAIT, and with the option two servers could share a port.
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
    fn an_address_in_use_is_an_error_that_says_so() {
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
