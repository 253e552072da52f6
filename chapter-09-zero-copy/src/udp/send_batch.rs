//! Sends many datagrams of one flow by one system call.

use std::{
    io::IoSlice,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd,
};

use nix::{
    cmsg_space,
    errno::Errno,
    libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo},
    sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg},
};

use super::receive_batch::BATCH;

/// The message headers of a batch, used for all sockets of a worker.
pub struct SendBatch {
    plain: MultiHeaders<SockaddrStorage>,
    /// Those with the source address of a reply.
    with_source: MultiHeaders<SockaddrStorage>,
    destinations: Vec<Option<SockaddrStorage>>,
}

impl std::fmt::Debug for SendBatch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SendBatch").finish_non_exhaustive()
    }
}

impl Default for SendBatch {
    fn default() -> Self {
        Self {
            plain: MultiHeaders::preallocate(BATCH, None),
            // Also used for the shorter message of IPv4: what is left is too short for another message.
            with_source: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(in6_pktinfo))),
            destinations: Vec::with_capacity(BATCH),
        }
    }
}

impl SendBatch {
    /// Sends datagrams on a socket that is connected to a backend, each after `header`. At most [`BATCH`] of them.
    /// Returns how many were sent, at least one.
    ///
    /// # Errors
    /// The first was not sent. `ECONNREFUSED` may be due to an earlier one.
    pub fn send_to_backend<'p>(
        &mut self,
        socket: &impl AsRawFd,
        header: &[u8],
        payloads: impl Iterator<Item = &'p [u8]>,
    ) -> Result<usize, Errno> {
        if header.is_empty() {
            let (slices, count) = fill(payloads, |payload| [IoSlice::new(payload)]);
            return self.send_connected(socket, &slices[..count]);
        }
        let (slices, count) = fill(payloads, |payload| [IoSlice::new(header), IoSlice::new(payload)]);
        self.send_connected(socket, &slices[..count])
    }

    fn send_connected<const N: usize>(
        &mut self,
        socket: &impl AsRawFd,
        slices: &[[IoSlice<'_>; N]],
    ) -> Result<usize, Errno> {
        self.destinations.clear();
        self.destinations.resize(slices.len(), None);
        let flags = MsgFlags::MSG_DONTWAIT;
        sendmmsg(socket.as_raw_fd(), &mut self.plain, slices, &self.destinations, [], flags).map(Iterator::count)
    }

    /// Sends datagrams to a client, from the address `source` if there is one; otherwise from the socket's. At most
    /// [`BATCH`] of them. Returns how many were sent, at least one.
    ///
    /// # Errors
    /// The first was not sent.
    pub fn send_to_client<'p>(
        &mut self,
        socket: &impl AsRawFd,
        (source, client): (Option<IpAddr>, SocketAddr),
        payloads: impl Iterator<Item = &'p [u8]>,
    ) -> Result<usize, Errno> {
        let (slices, count) = fill(payloads, |payload| [IoSlice::new(payload)]);
        let (fd, slices, flags) = (socket.as_raw_fd(), &slices[..count], MsgFlags::MSG_DONTWAIT);
        self.destinations.clear();
        self.destinations.resize(count, Some(SockaddrStorage::from(client)));
        match source {
            None => sendmmsg(fd, &mut self.plain, slices, &self.destinations, [], flags).map(Iterator::count),
            Some(IpAddr::V4(source)) => {
                let [own, unset] = [source.octets(), [0; 4]].map(|ip| in_addr { s_addr: u32::from_ne_bytes(ip) });
                let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: own, ipi_addr: unset };
                let source = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmmsg(fd, &mut self.with_source, slices, &self.destinations, source, flags).map(Iterator::count)
            }
            Some(IpAddr::V6(source)) => {
                let info = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: source.octets() }, ipi6_ifindex: 0 };
                let source = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmmsg(fd, &mut self.with_source, slices, &self.destinations, source, flags).map(Iterator::count)
            }
        }
    }
}

/// The buffers of each datagram, and how many there are.
fn fill<'p, 's, const N: usize>(
    payloads: impl Iterator<Item = &'p [u8]>,
    buffers: impl Fn(&'p [u8]) -> [IoSlice<'s>; N],
) -> ([[IoSlice<'s>; N]; BATCH], usize) {
    let mut slices = [[IoSlice::new(&[]); N]; BATCH];
    let mut count = 0;
    for (slice, payload) in slices.iter_mut().zip(payloads) {
        *slice = buffers(payload);
        count += 1;
    }
    (slices, count)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn bind(address: &str) -> UdpSocket {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        socket
    }

    fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 65_535];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        buffer.truncate(length);
        (buffer, from)
    }

    #[test]
    fn a_backend_gets_each_datagram_after_the_header() {
        let (backend, socket, mut batch) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"), SendBatch::default());
        socket.connect(backend.local_addr().unwrap()).unwrap();
        for header in ["", "header "] {
            let payloads = [&b"one"[..], b"", b"three"];
            assert_eq!(batch.send_to_backend(&socket, header.as_bytes(), payloads.into_iter()), Ok(3));
            for payload in payloads {
                let expected = [header.as_bytes(), payload].concat();
                assert_eq!(receive(&backend), (expected, socket.local_addr().unwrap()));
            }
        }
        let (longest, too_long) = (vec![1; 65_507], vec![1; 65_508]);
        let payloads = [&longest[..], &too_long, b"x"];
        assert_eq!(batch.send_to_backend(&socket, b"", payloads.into_iter()), Ok(1));
        assert_eq!(batch.send_to_backend(&socket, b"", payloads.into_iter().skip(1)), Err(Errno::EMSGSIZE));
    }

    #[test]
    fn a_client_gets_replies_from_the_address_asked() {
        for (bound, client, sources) in [
            ("0.0.0.0:0", "127.0.0.1:0", ["127.0.0.2", "127.0.0.3"]),
            ("[::]:0", "127.0.0.1:0", ["::ffff:127.0.0.2", "::ffff:127.0.0.3"]),
            ("[::]:0", "[::1]:0", ["::1", "::1"]),
        ] {
            let (socket, client, mut batch) = (bind(bound), bind(client), SendBatch::default());
            let mut to = client.local_addr().unwrap();
            if let (SocketAddr::V6(_), IpAddr::V4(v4)) = (socket.local_addr().unwrap(), to.ip()) {
                to.set_ip(v4.to_ipv6_mapped().into());
            }
            for source in sources {
                let source: IpAddr = source.parse().unwrap();
                let payloads = [&b"one"[..], b"two"];
                assert_eq!(batch.send_to_client(&socket, (Some(source), to), payloads.into_iter()), Ok(2));
                for payload in payloads {
                    let (received, from) = receive(&client);
                    assert_eq!((received, from.ip()), (payload.to_vec(), source.to_canonical()));
                    assert_eq!(from.port(), socket.local_addr().unwrap().port());
                }
            }
        }
    }

    #[test]
    fn without_a_source_it_is_the_sockets_address() {
        let (socket, client, mut batch) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"), SendBatch::default());
        let to = client.local_addr().unwrap();
        assert_eq!(batch.send_to_client(&socket, (None, to), [&b"x"[..]].into_iter()), Ok(1));
        assert_eq!(receive(&client), (b"x".to_vec(), socket.local_addr().unwrap()));
    }
}
