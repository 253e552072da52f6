//! Keeps a port reserved while nothing listens on it.
//!
//! A backend that is `down` must refuse connections and later come back on the same port. A socket that is bound but
//! does not listen reserves the port meanwhile: without it the kernel may assign the number to an outgoing connection,
//! and a balancer that tries the backend could even connect to itself.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;

/// A short queue, such as std's 128, would drop connections of a burst.
const BACKLOG: i32 = 1024;

/// An address that is bound for as long as this value lives.
#[derive(Debug)]
pub(crate) struct PortReservation {
    addr: SocketAddr,
    /// Never read: it only reserves the port. `None` where two sockets cannot be bound to one address.
    _bound_socket: Option<Socket>,
}

impl PortReservation {
    /// Binds `addr` (port 0: an ephemeral port) and listens.
    pub(crate) fn bind_and_listen(addr: SocketAddr) -> io::Result<(Self, TcpListener)> {
        Self::try_bind_and_listen(addr).map_err(|e| io::Error::new(e.kind(), format!("cannot listen on {addr}: {e}")))
    }

    fn try_bind_and_listen(addr: SocketAddr) -> io::Result<(Self, TcpListener)> {
        let reservation = bound_socket(addr)?;
        let addr = reservation.local_addr()?.as_socket().unwrap_or(addr);
        match listening_socket(addr) {
            Ok(listener) => Ok((Self { addr, _bound_socket: Some(reservation) }, listener)),
            // Linux lets both be bound as long as only one of them listens; other systems may not.
            Err(_) if !cfg!(target_os = "linux") => {
                drop(reservation);
                Ok((Self { addr, _bound_socket: None }, listening_socket(addr)?))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Listens again, after the last listener was dropped.
    pub(crate) fn listen_again(&self) -> io::Result<TcpListener> {
        listening_socket(self.addr)
    }
}

/// A listening socket that stops listening when this is dropped, even if a child process holds a copy of it.
#[derive(Debug)]
pub(crate) struct Listener(tokio::net::TcpListener);

impl Listener {
    /// Must be called inside a runtime, which registers the socket.
    pub(crate) fn new(listener: TcpListener) -> io::Result<Self> {
        Ok(Self(tokio::net::TcpListener::from_std(listener)?))
    }

    /// The next connection. Cancel safe: no connection is lost.
    pub(crate) async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.0.accept().await?;
        // Only for latency: a socket that rejects the option works as well.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // close(2) is not enough: a child process that is being started holds a copy of the socket between its fork and
        // its exec, and would keep it listening. Not every system supports this.
        let _ = SockRef::from(&self.0).shutdown(Shutdown::Both);
    }
}

fn bound_socket(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

fn listening_socket(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound_socket(addr)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::{PortReservation, SocketAddr, io};

    const ANY: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0));

    #[test]
    fn reserved_port_refuses_connections_between_two_listeners() {
        let (port, listener) = PortReservation::bind_and_listen(ANY).unwrap();
        assert!(TcpStream::connect(port.addr()).is_ok());
        drop(listener);
        let refused = TcpStream::connect(port.addr()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let _listener = port.listen_again().unwrap();
        assert!(TcpStream::connect(port.addr()).is_ok());
    }

    #[test]
    fn port_in_use_is_an_error_that_names_it() {
        let (port, _listener) = PortReservation::bind_and_listen(ANY).unwrap();
        let error = PortReservation::bind_and_listen(port.addr()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&port.addr().to_string()), "{error}");
    }
}
