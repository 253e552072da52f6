//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;

use socket2::{Domain, Protocol, Socket, Type};

use super::{bind_error::BindError, bound_sockets::BoundSockets, fd_limit::max_clients_for_fds};

/// The length of the kernel's accept queue. The kernel caps it (`net.core.somaxconn`, 4,096); the standard library's
/// 128 overflows in a burst, and a client that meets a full queue waits one second before it retries.
const BACKLOG: i32 = 4096;

/// Bound and listening sockets on one address: one, or one per worker.
///
/// They are non-blocking (otherwise an accept after its client has gone would stall the accept loop) and are not
/// inherited by child processes. With more than one, the kernel distributes connections over them by `SO_REUSEPORT`, so
/// that workers accept without contending. The caller of `run` owns them, so a test knows the port before the server
/// starts.
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<TcpListener>,
    address: SocketAddr,
}

impl Listeners {
    /// Binds `count` sockets to `address`; with port 0 the kernel chooses one port for all of them.
    ///
    /// If all sockets had `SO_REUSEPORT` from the start, a second copy of the program would start without an error and
    /// take half of the clients from the first. So the first socket is bound *without* the option, which fails if the
    /// port is in use, and gets the option once it listens: Linux checks it only when the next socket binds (macOS is
    /// untested). The first socket is kept, so the port is never free in between, and no client in its accept queue is
    /// lost.
    ///
    /// Limitation: from then on another process *of the same user* that sets the option itself can bind the port, as
    /// chapter 10's binary upgrade does.
    pub fn bind(address: SocketAddr, count: NonZeroUsize) -> Result<Self, BindError> {
        Self::bind_all(address, count).map_err(|source| BindError { address, source })
    }

    fn bind_all(address: SocketAddr, count: NonZeroUsize) -> io::Result<Self> {
        let first = socket(address)?;
        listen(&first, address)?;
        // With port 0, the kernel has chosen the port by now.
        let address = first.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        let mut listeners = Vec::with_capacity(count.get());
        if count.get() > 1 {
            first.set_reuse_port(true)?;
        }
        listeners.push(first.into());
        while listeners.len() < count.get() {
            let next = socket(address)?;
            next.set_reuse_port(true)?;
            listen(&next, address)?;
            listeners.push(next.into());
        }
        Ok(Self { listeners, address })
    }

    /// The bound address, with the port that the kernel chose if port 0 was requested.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// The listeners, one per worker.
    pub fn into_vec(self) -> Vec<TcpListener> {
        self.listeners
    }

    /// The first listener, for an engine with one accept loop.
    ///
    /// # Panics
    /// Never: `bind` binds at least one.
    pub fn into_first(self) -> TcpListener {
        self.listeners.into_iter().next().expect("`bind` binds at least one")
    }

    /// The listeners, by reference.
    pub fn iter(&self) -> std::slice::Iter<'_, TcpListener> {
        self.listeners.iter()
    }
}

impl BoundSockets for Listeners {
    const CLIENTS: &'static str = "client connections";

    fn bind(address: SocketAddr, count: NonZeroUsize) -> Result<Self, BindError> {
        Self::bind(address, count)
    }

    fn local_address(&self) -> SocketAddr {
        self.local_address()
    }

    fn max_clients(fd_limit: u64, own_fds: u64, requested: Option<usize>, backends_in_process: bool) -> usize {
        max_clients_for_fds(fd_limit, own_fds, requested, backends_in_process)
    }
}

impl<'a> IntoIterator for &'a Listeners {
    type Item = &'a TcpListener;
    type IntoIter = std::slice::Iter<'a, TcpListener>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Lets a restarted server bind its port while old connections are in TIME_WAIT. On Unix, unlike on Windows, the
    // option does not let two programs listen on one address.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // `::` means all addresses, IPv4 included, whatever net.ipv6.bindv6only is set to.
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

fn listen(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::os::fd::AsFd;

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn bind(address: &str, count: usize) -> Result<Listeners, BindError> {
        Listeners::bind(address.parse().unwrap(), NonZeroUsize::new(count).unwrap())
    }

    #[test]
    fn binds_one_port_for_all_listeners() {
        for count in [1, 4] {
            let listeners = bind("127.0.0.1:0", count).unwrap();
            assert_ne!(listeners.local_address().port(), 0);
            assert_eq!(listeners.iter().len(), count);
            for listener in &listeners {
                assert_eq!(listener.local_addr().unwrap(), listeners.local_address());
                assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
                let flags = fcntl(listener.as_fd(), FcntlArg::F_GETFD).unwrap();
                assert!(FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC));
            }
        }
    }

    #[test]
    fn a_port_in_use_is_an_error_also_with_several_listeners() {
        for (held, wanted) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let holder = bind("127.0.0.1:0", held).unwrap();
            let address = holder.local_address().to_string();
            let error = bind(&address, wanted).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "cannot listen on {address}: the address is in use; \
                     choose another port or stop the program that has it"
                )
            );
        }
    }

    #[test]
    fn explains_why_an_address_cannot_be_bound() {
        // TEST-NET-1 (RFC 5737) belongs to no machine.
        let error = bind("192.0.2.1:0", 1).unwrap_err();
        assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:0: no interface of this machine has this address");
    }

    #[test]
    fn connections_are_distributed_over_all_listeners() {
        let listeners = bind("127.0.0.1:0", 3).unwrap();
        let clients: Vec<_> = (0..60).map(|_| TcpStream::connect(listeners.local_address()).unwrap()).collect();
        let mut accepted = vec![0; 3];
        while accepted.iter().sum::<usize>() < clients.len() {
            let mut fds: Vec<_> = (&listeners).into_iter().map(|l| PollFd::new(l.as_fd(), PollFlags::POLLIN)).collect();
            assert!(poll(&mut fds, PollTimeout::from(10_000_u16)).unwrap() > 0, "{accepted:?} after 10 s");
            for (listener, accepted) in listeners.iter().zip(&mut accepted) {
                while listener.accept().is_ok() {
                    *accepted += 1;
                }
            }
        }
        if cfg!(target_os = "linux") {
            // By a hash: one of the listeners gets no connection in 1 of 10^10 runs.
            assert!(accepted.iter().all(|&n| n > 0), "{accepted:?}");
        }
    }

    #[test]
    fn listens_on_both_families_for_the_unspecified_v6_address() {
        let Ok(listeners) = bind("[::]:0", 2) else {
            return;
        }; // a machine without IPv6
        TcpStream::connect(("127.0.0.1", listeners.local_address().port())).unwrap();
        TcpStream::connect(("::1", listeners.local_address().port())).unwrap();
    }
}
