//! A socket and its system calls: each method is one call, under its own name.
//!
//! Every method returns [`nix::Result`], whose error is the kernel's [`Errno`]. Calls that can block never return
//! `EINTR` (interrupted by a signal): they are retried. The exception is [`Socket::connect`].

use std::{
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::socket::{
        AddressFamily, Backlog, MsgFlags, Shutdown, SockType, SockaddrStorage, bind, connect, getpeername, getsockname,
        getsockopt, listen, recv, recvfrom, send, sendto, setsockopt, shutdown, socket, sockopt,
    },
};

use crate::sys;

/// An open socket; closed on drop.
#[derive(Debug)]
pub struct Socket(OwnedFd);

// ANCHOR: lifetime
impl Socket {
    /// socket(2): a socket of the address's family. It has no address and no peer yet.
    pub fn new(address: SocketAddr, socket_type: SockType) -> nix::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        socket(family, socket_type, sys::CLOEXEC, None).map(Self)
    }

    /// setsockopt(2) with `SO_REUSEADDR`: lets a restarted server bind its port at once, although connections of
    /// the previous process are still in `TIME_WAIT` (a minute).
    pub fn set_reuse_address(&self) -> nix::Result<()> {
        setsockopt(&self.0, sockopt::ReuseAddr, &true)
    }

    /// bind(2): assigns a local address. Port 0 lets the kernel choose a port.
    pub fn bind(&self, address: SocketAddr) -> nix::Result<()> {
        bind(self.0.as_raw_fd(), &SockaddrStorage::from(address))
    }

    /// listen(2): from now on the kernel completes handshakes, and queues the connections until they are accepted.
    /// The queue is as long as the system allows: when it is full, a client retries after a second.
    pub fn listen(&self) -> nix::Result<()> {
        listen(&self.0, Backlog::MAXCONN)
    }

    /// accept4(2): a new socket, connected to the first client in the queue.
    pub fn accept(&self) -> nix::Result<Self> {
        retry_on_eintr(|| sys::accept(&self.0)).map(Self)
    }

    /// shutdown(2) of the sending half: the peer reads what was sent, then the end. We can still receive.
    pub fn shutdown_write(&self) -> nix::Result<()> {
        shutdown(self.0.as_raw_fd(), Shutdown::Write)
    }

    /// close(2): releases the descriptor. Dropping the socket does the same, but discards the error.
    pub fn close(self) -> nix::Result<()> {
        nix::unistd::close(self.0)
    }
}
// ANCHOR_END: lifetime

/// Sending and receiving.
impl Socket {
    /// recv(2): up to `into.len()` bytes of the stream, or one datagram. 0 is the end of a stream.
    pub fn recv(&self, into: &mut [u8], flags: MsgFlags) -> nix::Result<usize> {
        retry_on_eintr(|| recv(self.0.as_raw_fd(), into, flags))
    }

    /// send(2): returns how many bytes the kernel took, which may be fewer than `from` has.
    pub fn send(&self, from: &[u8], flags: MsgFlags) -> nix::Result<usize> {
        retry_on_eintr(|| send(self.0.as_raw_fd(), from, flags))
    }

    /// recvfrom(2): one datagram and its sender. The bytes that do not fit `into` are lost.
    pub fn recv_from(&self, into: &mut [u8]) -> nix::Result<(usize, SocketAddr)> {
        let (length, sender) = retry_on_eintr(|| recvfrom::<SockaddrStorage>(self.0.as_raw_fd(), into))?;
        Ok((length, to_socket_addr(sender.as_ref())?))
    }

    /// sendto(2): one datagram to one receiver.
    pub fn send_to(&self, from: &[u8], to: SocketAddr) -> nix::Result<usize> {
        let to = SockaddrStorage::from(to);
        retry_on_eintr(|| sendto(self.0.as_raw_fd(), from, &to, MsgFlags::empty()))
    }
}

/// Addresses and modes.
impl Socket {
    /// connect(2). On a non-blocking socket it returns `EINPROGRESS`, and the handshake continues in the background.
    /// On a UDP socket it sends nothing: the kernel only records the peer.
    pub fn connect(&self, address: SocketAddr) -> nix::Result<()> {
        connect(self.0.as_raw_fd(), &SockaddrStorage::from(address))
    }

    /// getsockname(2): the local address, with the port that the kernel chose.
    pub fn local_address(&self) -> nix::Result<SocketAddr> {
        to_socket_addr(Some(&getsockname(self.0.as_raw_fd())?))
    }

    /// getpeername(2): the peer's address; `ENOTCONN` once the peer has reset the connection.
    pub fn peer_address(&self) -> nix::Result<SocketAddr> {
        to_socket_addr(Some(&getpeername(self.0.as_raw_fd())?))
    }

    /// getsockopt(2) with `SO_ERROR`: the result of a non-blocking connect.
    pub fn take_error(&self) -> nix::Result<()> {
        match getsockopt(&self.0, sockopt::SocketError)? {
            0 => Ok(()),
            code => Err(Errno::from_raw(code)),
        }
    }

    /// fcntl(2) with `O_NONBLOCK`: a call that would block returns `EAGAIN` instead.
    pub fn set_nonblocking(&self, nonblocking: bool) -> nix::Result<()> {
        let flags = if nonblocking { OFlag::O_NONBLOCK } else { OFlag::empty() };
        fcntl(&self.0, FcntlArg::F_SETFL(flags)).map(drop)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Repeats `call` until it is not interrupted by a signal.
fn retry_on_eintr<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Converts the kernel's form of an address. The kernel keeps the port in network byte order (the high byte first,
/// whatever the processor's order is); `nix` converts it.
fn to_socket_addr(address: Option<&SockaddrStorage>) -> nix::Result<SocketAddr> {
    let address = address.ok_or(Errno::EAFNOSUPPORT)?;
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from(*v4));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::from(*v6))).ok_or(Errno::EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_works_over_ipv4_and_ipv6() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let listener = Socket::new(address, SockType::Stream).unwrap();
            listener.set_reuse_address().unwrap();
            if listener.bind(address).is_err() {
                continue; // a machine without IPv6
            }
            listener.listen().unwrap();
            let client = Socket::new(address, SockType::Stream).unwrap();
            client.connect(listener.local_address().unwrap()).unwrap();
            let server = listener.accept().unwrap();
            assert_eq!(server.peer_address().unwrap(), client.local_address().unwrap());
            assert_eq!(client.send(b"half", MsgFlags::empty()).unwrap(), 4);
            client.shutdown_write().unwrap();
            let mut bytes = [0; 8];
            assert_eq!(server.recv(&mut bytes, MsgFlags::empty()).unwrap(), 4);
            assert_eq!(server.recv(&mut bytes, MsgFlags::empty()).unwrap(), 0);
            assert_eq!(server.send(b"other", MsgFlags::empty()).unwrap(), 5);
            server.close().unwrap();
            assert_eq!(client.recv(&mut bytes, MsgFlags::empty()).unwrap(), 5);
            assert_eq!(&bytes[..5], b"other");
        }
    }

    #[test]
    fn an_interrupted_call_is_retried() {
        let mut answers = [Err(Errno::EINTR), Err(Errno::EINTR), Ok(7)].into_iter();
        assert_eq!(retry_on_eintr(|| answers.next().unwrap()), Ok(7));
        assert_eq!(retry_on_eintr(|| Err::<(), _>(Errno::EPIPE)), Err(Errno::EPIPE));
    }

    #[test]
    fn a_datagram_names_its_sender() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (one, other) =
            (Socket::new(any, SockType::Datagram).unwrap(), Socket::new(any, SockType::Datagram).unwrap());
        one.bind(any).unwrap();
        other.bind(any).unwrap();
        one.send_to(b"", other.local_address().unwrap()).unwrap();
        assert_eq!(other.recv_from(&mut [0; 4]).unwrap(), (0, one.local_address().unwrap()));
    }
}
