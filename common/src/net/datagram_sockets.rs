//! Sockets that receive datagrams.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    num::NonZeroUsize,
};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::{bind_error::BindError, bound_sockets::BoundSockets, fd_limit::max_flows_for_fds};

/// What the receive queue may hold, in bytes, as far as the kernel allows it (`net.core.rmem_max`). Each datagram counts
/// with its overhead, about 700 bytes. A queue that is full drops: of the usual 208 KiB, from the 280th short datagram on.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Bound UDP sockets on one address: one, or one per worker.
///
/// They are non-blocking. With more than one, the kernel distributes datagrams over them by a hash of source and
/// destination (`SO_REUSEPORT`), so a client's datagrams all come to one worker. On an unspecified address each datagram
/// comes with the address that it was sent to (`IP_PKTINFO`): a reply from another one would be dropped by the client.
#[derive(Debug)]
pub struct DatagramSockets {
    sockets: Vec<UdpSocket>,
    address: SocketAddr,
}

impl DatagramSockets {
    fn bind_all(address: SocketAddr, count: NonZeroUsize) -> io::Result<Self> {
        let first = socket(address)?;
        // Without SO_REUSEPORT, so that a port in use is an error, as for TCP listeners.
        first.bind(&address.into())?;
        let address = first.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        let mut sockets = Vec::with_capacity(count.get());
        if count.get() > 1 {
            first.set_reuse_port(true)?;
        }
        sockets.push(first.into());
        while sockets.len() < count.get() {
            let next = socket(address)?;
            next.set_reuse_port(true)?;
            next.bind(&address.into())?;
            sockets.push(next.into());
        }
        Ok(Self { sockets, address })
    }

    /// The sockets, one per worker.
    pub fn into_vec(self) -> Vec<UdpSocket> {
        self.sockets
    }
}

impl BoundSockets for DatagramSockets {
    const CLIENTS: &'static str = "flows";

    fn bind(address: SocketAddr, count: NonZeroUsize) -> Result<Self, BindError> {
        Self::bind_all(address, count).map_err(|source| BindError { address, source })
    }

    fn local_address(&self) -> SocketAddr {
        self.address
    }

    fn max_clients(fd_limit: u64, own_fds: u64, requested: Option<usize>, _backends_in_process: bool) -> usize {
        max_flows_for_fds(fd_limit, own_fds, requested)
    }
}

/// Without `SO_REUSEADDR`, with which two programs could bind one UDP port.
fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            SocketAddr::V6(_) => {
                // `::` means all addresses, IPv4 included, whatever net.ipv6.bindv6only is set to.
                socket.set_only_v6(false)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            }
        }
    }
    // The kernel caps it, and does not fail.
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(address: &str, count: usize) -> Result<DatagramSockets, BindError> {
        DatagramSockets::bind(address.parse().unwrap(), NonZeroUsize::new(count).unwrap())
    }

    #[test]
    fn binds_one_port_for_all_sockets() {
        for address in ["127.0.0.1:0", "0.0.0.0:0"] {
            let bound = bind(address, 4).unwrap();
            let local = bound.local_address();
            assert_ne!(local.port(), 0);
            let sockets = bound.into_vec();
            assert_eq!(sockets.len(), 4);
            for socket in sockets {
                assert_eq!(socket.local_addr().unwrap(), local);
                assert_eq!(socket.recv(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            }
        }
    }

    #[test]
    fn a_port_in_use_is_an_error_also_with_several_sockets() {
        for (held, wanted) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let holder = bind("127.0.0.1:0", held).unwrap();
            let error = bind(&holder.local_address().to_string(), wanted).unwrap_err();
            assert!(error.to_string().contains("the address is in use"), "{held} {wanted}: {error}");
        }
    }

    /// A client that changes its socket would be two clients.
    #[test]
    fn the_datagrams_of_one_client_come_to_one_socket() {
        let bound = bind("127.0.0.1:0", 3).unwrap();
        let address = bound.local_address();
        let clients: Vec<_> = (0..60).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for round in 0..3 {
            for client in &clients {
                client.send_to(&[round], address).unwrap();
            }
        }
        let mut socket_of = std::collections::HashMap::new();
        let (mut received, mut used) = (0, 0);
        for (number, socket) in bound.into_vec().into_iter().enumerate() {
            // On loopback a datagram is in the queue when `send_to` returns.
            while let Ok((_, client)) = socket.recv_from(&mut [0]) {
                assert_eq!(*socket_of.entry(client).or_insert(number), number);
                received += 1;
            }
            used += usize::from(socket_of.values().any(|other| *other == number));
        }
        assert_eq!(received, 180);
        if cfg!(target_os = "linux") {
            assert_eq!(used, 3, "by a hash: one of them gets none in 1 of 10^10 runs");
        }
    }
}
