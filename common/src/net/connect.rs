//! Connecting to a backend: name resolution, a non-blocking connect, and a close by reset.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::http::{FailureKind, Phase, ProxyError, Side};

/// The process, or the system, cannot open another socket.
const RESOURCE_ERRNOS: [Errno; 4] = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];

/// All addresses of a host name or an IP address (IPv6 without brackets), in the resolver's order.
///
/// The order is kept because the resolver sorts by reachability (RFC 6724); duplicates, which `/etc/hosts` often has,
/// are removed. The list is never empty: a name without an address is an error. Errors name the host.
///
/// Blocks: the system's resolver may take seconds.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let resolved = (host, port)
        .to_socket_addrs()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot resolve '{host}': {error}")))?;
    let mut addresses = Vec::new();
    for address in resolved {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("'{host}' has no address")));
    }
    Ok(addresses)
}

/// Starts a non-blocking connect to `address`.
///
/// Wait until the stream is writable and then call `TcpStream::take_error`: `None` is success. Nagle's algorithm is off
/// (`TCP_NODELAY`): a proxy writes whole messages, and delaying the last packet of one until the peer acknowledges the
/// others only adds latency.
pub fn connect_nonblocking(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = nonblocking_socket(address)?;
    socket.set_tcp_nodelay(true)?;
    start_connect(&socket, address)?;
    Ok(socket.into())
}

/// The same without `TCP_NODELAY`, for a connection that sends one packet only, such as a health check.
pub fn connect_once_nonblocking(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = nonblocking_socket(address)?;
    start_connect(&socket, address)?;
    Ok(socket.into())
}

fn nonblocking_socket(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    // Linux and the BSDs create it non-blocking; elsewhere that takes another two system calls.
    #[cfg(not(target_vendor = "apple"))]
    return Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP));
    #[cfg(target_vendor = "apple")]
    {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

fn start_connect(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    match socket.connect(&address.into()) {
        // An interrupted connect continues in the background (POSIX connect); calling it again would fail with
        // EALREADY.
        Err(e) if !is_errno(&e, &[Errno::EINPROGRESS, Errno::EINTR]) => Err(e),
        _ => Ok(()),
    }
}

/// Fails if `local` is connected to itself. On a connect to a closed loopback port in the ephemeral range, the kernel
/// occasionally picks that port as the source port: the handshake then succeeds without a server (TCP simultaneous
/// open, RFC 9293 §3.5), and the connection would keep the backend from binding its port again.
pub fn check_not_self_connect(local: SocketAddr, address: SocketAddr) -> io::Result<()> {
    if local == address { Err(Errno::ECONNREFUSED.into()) } else { Ok(()) }
}

/// Makes the close of this socket a reset (RST), so that the peer does not take what it has received for the whole
/// message.
///
/// Call it just before the close, which then also discards unsent bytes. Errors are ignored: the only thing left to do
/// is to close.
pub fn set_reset_on_close(stream: &impl AsFd) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Classifies a connect error. Without descriptors or memory, no other address would do better. An address that this
/// host cannot use (EADDRNOTAVAIL: no IPv6 here; EPERM: a firewall) counts as a failed connect, not as a fault of this
/// process (503): where IPv6 is off, `localhost` still resolves to `::1` first.
pub fn connect_error(error: io::Error) -> ProxyError {
    let (kind, side) = match error.kind() {
        io::ErrorKind::TimedOut => (FailureKind::Timeout, Side::Backend),
        io::ErrorKind::Interrupted => (FailureKind::ShuttingDown, Side::Internal),
        _ if is_errno(&error, &RESOURCE_ERRNOS) => (FailureKind::ResourceExhausted, Side::Internal),
        _ => (FailureKind::Connect, Side::Backend),
    };
    ProxyError::new(kind, side, Phase::Connect).with_source(error)
}

pub(super) fn is_errno(error: &io::Error, errnos: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|code| errnos.iter().any(|errno| *errno as i32 == code))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    #[test]
    fn a_self_connect_is_refused() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let itself = socket.local_addr().unwrap();
        socket.connect(&itself).unwrap();
        let local = socket.local_addr().unwrap().as_socket().unwrap();
        let refused = check_not_self_connect(local, itself.as_socket().unwrap());
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn resolves_literals_and_names_without_duplicates() {
        assert_eq!(resolve("127.0.0.1", 80).unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(resolve("::1", 80).unwrap(), ["[::1]:80".parse().unwrap()]);
        let local = resolve("localhost", 80).unwrap();
        assert!(local.iter().all(|address| address.ip().is_loopback()), "{local:?}");
        assert!(local.iter().enumerate().all(|(i, address)| !local[..i].contains(address)), "{local:?}");
    }

    #[test]
    fn resolve_errors_name_the_host() {
        // A label cannot be empty, so this fails without a DNS query.
        let error = resolve("no..such", 80).unwrap_err();
        assert!(error.to_string().contains("'no..such'"), "{error}");
    }

    fn wait_writable(stream: &TcpStream) {
        let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
        assert_eq!(
            poll(&mut fds, PollTimeout::from(10_000_u16)).unwrap(),
            1,
            "neither connected nor refused within 10 s"
        );
    }

    #[test]
    fn connects_without_waiting() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = connect_nonblocking(listener.local_addr().unwrap()).unwrap();
        wait_writable(&stream);
        assert!(stream.take_error().unwrap().is_none());
        assert!(stream.nodelay().unwrap());
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        let error = (&stream).read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn reports_a_refused_connect() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = match connect_nonblocking(address) {
            Ok(stream) => {
                wait_writable(&stream);
                stream.take_error().unwrap().unwrap()
            }
            Err(error) => error,
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn resets_on_close() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        set_reset_on_close(&server);
        drop(server);
        let error = client.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn only_local_resource_exhaustion_is_internal() {
        for (errno, kind, side) in [
            (Errno::ECONNREFUSED, FailureKind::Connect, Side::Backend),
            (Errno::EADDRNOTAVAIL, FailureKind::Connect, Side::Backend),
            (Errno::EPERM, FailureKind::Connect, Side::Backend),
            (Errno::ENETUNREACH, FailureKind::Connect, Side::Backend),
            (Errno::ETIMEDOUT, FailureKind::Timeout, Side::Backend),
            (Errno::EMFILE, FailureKind::ResourceExhausted, Side::Internal),
            (Errno::ENOBUFS, FailureKind::ResourceExhausted, Side::Internal),
        ] {
            let error = connect_error(errno.into());
            assert_eq!((error.kind, error.side), (kind, side), "{errno}");
        }
    }
}
