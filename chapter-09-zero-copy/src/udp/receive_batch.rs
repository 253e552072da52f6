//! Receives many datagrams by one system call.

use std::{
    io::IoSliceMut,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd,
};

use nix::{
    cmsg_space,
    errno::Errno,
    libc::in6_pktinfo,
    sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg},
};

use super::socket_address::to_std;

/// How many datagrams are received at most by one call. More would let one busy socket delay all others of its worker.
pub const BATCH: usize = 32;

/// Longer than any datagram: 65,507 bytes with IPv4, 65,527 with IPv6.
pub const MAX_DATAGRAM_BYTES: usize = 65_535;

/// Room for a batch of datagrams, used for all sockets of a worker.
///
/// Each datagram has room for the longest one. That is 2 MiB, of which the kernel provides the pages that were written.
#[derive(Debug)]
pub struct ReceiveBatch {
    buffer: Box<[u8]>,
    datagram_bytes: usize,
    received: Vec<Received>,
    /// Apart, because the kernel writes to them: what it says of one socket's addresses is not true for another's.
    listener: Headers,
    upstream: Headers,
}

/// The message headers of one kind of socket.
struct Headers(MultiHeaders<SockaddrStorage>);

impl std::fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Headers")
    }
}

/// One received datagram, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// The sender's address; `None` on a socket to a backend, which is the only sender there.
    pub source: Option<SocketAddr>,
    /// The address that it was sent to, if the socket says so.
    pub local: Option<IpAddr>,
    /// How many bytes of it were received.
    pub length: usize,
    /// Whether it has more.
    pub is_truncated: bool,
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self::with_datagram_bytes(MAX_DATAGRAM_BYTES)
    }
}

impl ReceiveBatch {
    fn with_datagram_bytes(datagram_bytes: usize) -> Self {
        Self {
            buffer: vec![0; BATCH * datagram_bytes].into(),
            datagram_bytes,
            received: Vec::with_capacity(BATCH),
            listener: Headers(MultiHeaders::preallocate(BATCH, Some(cmsg_space!(in6_pktinfo)))),
            upstream: Headers(MultiHeaders::preallocate(BATCH, None)),
        }
    }

    // ANCHOR: receive
    /// Receives what has arrived on a worker's listener, up to [`BATCH`] datagrams.
    ///
    /// # Errors
    /// `EAGAIN`: nothing has arrived.
    pub fn receive_from_clients(&mut self, socket: &impl AsRawFd) -> Result<(), Errno> {
        self.received.clear();
        receive(socket, &mut self.listener, &mut self.buffer, self.datagram_bytes, |message| {
            self.received.push(Received {
                source: message.address.as_ref().and_then(to_std),
                local: local_address(message),
                ..Received::of(message)
            });
        })
    }

    /// The same of a socket to a backend.
    ///
    /// # Errors
    /// `EAGAIN`: nothing has arrived. `ECONNREFUSED` and others: an ICMP message says that the backend is unreachable.
    pub fn receive_from_backend(&mut self, socket: &impl AsRawFd) -> Result<(), Errno> {
        self.received.clear();
        receive(socket, &mut self.upstream, &mut self.buffer, self.datagram_bytes, |message| {
            self.received.push(Received::of(message));
        })
    }
    // ANCHOR_END: receive

    /// What the last call has received.
    pub fn received(&self) -> &[Received] {
        &self.received
    }

    /// The bytes of the datagram at this position.
    pub fn bytes(&self, position: usize) -> &[u8] {
        &self.buffer[position * self.datagram_bytes..][..self.received[position].length]
    }
}

impl Received {
    fn of(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Self {
        let is_truncated = message.flags.contains(MsgFlags::MSG_TRUNC);
        Self { source: None, local: None, length: message.bytes, is_truncated }
    }
}

fn receive(
    socket: &impl AsRawFd,
    headers: &mut Headers,
    buffer: &mut [u8],
    datagram_bytes: usize,
    mut each: impl FnMut(&RecvMsg<'_, '_, SockaddrStorage>),
) -> Result<(), Errno> {
    let mut rooms = buffer.chunks_exact_mut(datagram_bytes);
    let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
        std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
    let messages = recvmmsg(socket.as_raw_fd(), &mut headers.0, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
    messages.for_each(|message| each(&message));
    Ok(())
}

/// The address that the datagram was sent to, if the socket says so.
fn local_address(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<IpAddr> {
    message.cmsgs().ok()?.find_map(|control| match control {
        // Not `ipi_addr`, which is the destination: a broadcast's could not be the source of a reply.
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes())),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, num::NonZeroUsize};

    use common::net::{BoundSockets as _, DatagramSockets};

    use super::*;

    fn bind(address: &str) -> UdpSocket {
        let bound = DatagramSockets::bind(address.parse().unwrap(), NonZeroUsize::MIN).unwrap();
        bound.into_vec().pop().unwrap()
    }

    #[test]
    fn a_batch_has_each_datagram_with_its_source_and_bytes() {
        let (socket, mut batch) = (bind("127.0.0.1:0"), ReceiveBatch::default());
        assert_eq!(batch.receive_from_clients(&socket), Err(Errno::EAGAIN));
        let clients: Vec<_> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let longest = vec![7; 65_507];
        let payloads: [&[u8]; 3] = [b"one", b"", &longest];
        for _ in 0..2 {
            for (client, payload) in clients.iter().zip(payloads) {
                client.send_to(payload, socket.local_addr().unwrap()).unwrap();
            }
            batch.receive_from_clients(&socket).unwrap();
            assert_eq!(batch.received().len(), 3);
            for (position, received) in batch.received().iter().enumerate() {
                assert_eq!(received.source, clients[position].local_addr().ok());
                assert_eq!((received.local, received.is_truncated), (None, false));
                assert_eq!(batch.bytes(position), payloads[position]);
            }
        }
    }

    #[test]
    fn more_than_a_batch_is_left_for_the_next_call() {
        let (socket, client) = (bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0").unwrap());
        for _ in 0..=BATCH {
            client.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        }
        let mut batch = ReceiveBatch::default();
        for expected in [BATCH, 1] {
            batch.receive_from_clients(&socket).unwrap();
            assert_eq!(batch.received().len(), expected);
        }
    }

    #[test]
    fn an_unspecified_address_says_which_one_was_sent_to() {
        for (bound, addresses) in [("0.0.0.0:0", ["127.0.0.1", "127.0.0.2"]), ("[::]:0", ["::1", "127.0.0.2"])] {
            let (socket, mut batch) = (bind(bound), ReceiveBatch::default());
            let port = socket.local_addr().unwrap().port();
            for address in addresses {
                let address: IpAddr = address.parse().unwrap();
                let client = UdpSocket::bind((if address.is_ipv4() { "127.0.0.1" } else { "::1" }, 0)).unwrap();
                client.send_to(b"x", (address, port)).unwrap();
                batch.receive_from_clients(&socket).unwrap();
                let [received] = batch.received() else { panic!("{:?}", batch.received()) };
                assert_eq!(received.local.map(|local| local.to_canonical()), Some(address));
            }
        }
    }

    #[test]
    fn a_datagram_that_does_not_fit_says_so() {
        let (socket, client) = (bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0").unwrap());
        let mut batch = ReceiveBatch::with_datagram_bytes(4);
        for payload in ["four", "fiver"] {
            client.send_to(payload.as_bytes(), socket.local_addr().unwrap()).unwrap();
        }
        batch.receive_from_clients(&socket).unwrap();
        let truncated: Vec<_> = batch.received().iter().map(|received| received.is_truncated).collect();
        assert_eq!((truncated, batch.bytes(0), batch.bytes(1)), (vec![false, true], &b"four"[..], &b"five"[..]));
    }

    #[test]
    fn an_icmp_message_is_an_error() {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(gone).unwrap();
        socket.send(b"x").unwrap();
        let mut batch = ReceiveBatch::default();
        // On loopback it has arrived when `send` returns.
        assert_eq!(batch.receive_from_backend(&socket), Err(Errno::ECONNREFUSED));
        assert_eq!(batch.receive_from_backend(&socket), Err(Errno::EAGAIN));
    }
}
