//! The echo of datagrams: what arrives on a UDP port of its own goes back to its sender, many with one system call.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg},
};

/// Datagrams of one call.
const BATCH: usize = 32;

/// Longer ones are cut off, and so are their echoes: the load sends shorter ones.
const MAX_DATAGRAM_BYTES: usize = 2_048;

/// A socket that echoes.
#[derive(Debug)]
pub(crate) struct Echo(UdpSocket);

impl Echo {
    /// Binds the UDP port of this address.
    pub(crate) fn bind(addr: SocketAddr) -> io::Result<Self> {
        UdpSocket::bind(addr).map(Self)
    }

    /// Echoes until the socket fails.
    pub(crate) fn run(&self) -> io::Result<()> {
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let mut reply_headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let mut buffers = vec![[0; MAX_DATAGRAM_BYTES]; BATCH];
        let (mut lengths, mut senders) = ([0; BATCH], Vec::with_capacity(BATCH));
        loop {
            senders.clear();
            let mut rooms = buffers.iter_mut();
            let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
                std::array::from_fn(|_| [IoSliceMut::new(rooms.next().map_or(&mut [], |room| room))]);
            // It waits for the first one only.
            let received =
                recvmmsg(self.0.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None);
            match received {
                Ok(messages) => messages.for_each(|message| {
                    lengths[senders.len()] = message.bytes;
                    senders.push(message.address);
                }),
                // An ICMP message: a client has gone.
                Err(Errno::EINTR | Errno::ECONNREFUSED) => continue,
                Err(error) => return Err(error.into()),
            }
            let replies: [[IoSlice<'_>; 1]; BATCH] =
                std::array::from_fn(|at| [IoSlice::new(&buffers[at][..lengths[at]])]);
            // What the kernel does not take is lost, as anywhere on the way.
            let replies = &replies[..senders.len()];
            let _ = sendmmsg(self.0.as_raw_fd(), &mut reply_headers, replies, &senders, [], MsgFlags::MSG_DONTWAIT);
        }
    }
}
