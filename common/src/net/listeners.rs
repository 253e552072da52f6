//! The sockets that accept clients.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;

use socket2::{Domain, Protocol, Socket, Type};

/// How many clients the kernel keeps for us between two accepts. The kernel caps it
/// (`net.core.somaxconn`, 4,096); the 128 of the standard library overflows in a burst, and each
/// client that meets a full queue waits a second.
const BACKLOG: i32 = 4096;

/// Bound and listening sockets, all on one address: one, or one per worker.
///
/// They do not block (an accept after its client has gone would otherwise stall the accept loop)
/// and are not inherited by child processes. With more than one, the kernel spreads clients over
/// them by `SO_REUSEPORT`, so that workers accept without contending. Owned by whoever calls `run`:
/// so a test has the port before the server starts.
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<TcpListener>,
    address: SocketAddr,
}

/// The address that could not be had, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", bind_error_text(.source))]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

fn bind_error_text(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => "the address is in use; choose another port or stop the program that has it".into(),
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address".into(),
        io::ErrorKind::PermissionDenied => {
            "permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE".into()
        }
        _ => source.to_string(),
    }
}

impl Listeners {
    /// Binds `count` sockets to `address`; with port 0 the kernel chooses one port for all of them.
    ///
    /// Had they all `SO_REUSEPORT` from the start, a second copy of the program would come up
    /// without an error and take half of the clients from the first. So the first socket is bound
    /// *without* it, which fails if anybody has the port, and gets the option once it listens:
    /// Linux looks at it only when the next one binds (macOS is untested). Because this probe is
    /// kept, there is no moment at which the port is free, and no client queued on it is lost.
    ///
    /// What remains: from then on another process *of the same user* that sets the option itself
    /// can join, as chapter 10's hand-over wants it to.
    pub fn bind(address: SocketAddr, count: NonZeroUsize) -> Result<Self, BindError> {
        Self::bind_all(address, count).map_err(|source| BindError { address, source })
    }

    fn bind_all(address: SocketAddr, count: NonZeroUsize) -> io::Result<Self> {
        let first = socket(address)?;
        listen(&first, address)?;
        // With port 0, this is where the port becomes known.
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

    /// The address they are bound to, with the port that the kernel chose if it was asked to.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// The sockets, one per worker.
    pub fn into_vec(self) -> Vec<TcpListener> {
        self.listeners
    }

    /// The first socket, for an engine that has one accept loop.
    ///
    /// # Panics
    /// Never: `bind` binds at least one.
    pub fn into_first(self) -> TcpListener {
        self.listeners.into_iter().next().expect("`bind` binds at least one")
    }

    /// The sockets, by reference.
    pub fn iter(&self) -> std::slice::Iter<'_, TcpListener> {
        self.listeners.iter()
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
    // Lets a restarted server have its port back while old connections of it are in TIME_WAIT.
    // On Unix, unlike on Windows, it does not let two programs listen on one address.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // `::` means all addresses, IPv4 too, whatever net.ipv6.bindv6only says.
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
    fn refuses_a_port_in_use_also_when_it_is_shared() {
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
    fn says_why_an_address_cannot_be_had() {
        // TEST-NET-1 (RFC 5737) belongs to no machine.
        let error = bind("192.0.2.1:0", 1).unwrap_err();
        assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:0: no interface of this machine has this address");
    }

    #[test]
    fn every_client_reaches_one_of_the_listeners() {
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
            // By a hash: a listener is left out once in 10^10 runs.
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
