//! The accept prelude: what a connection begins with before its first request, such as a PROXY header.
//!
//! WHEN TO USE IT: the peer of the socket is not the client. A proxy that relays bytes, and cannot add
//! `X-Forwarded-For`, sends the client's address first. Everything that is decided by address is decided afterwards:
//! [`Filter::on_connection`](crate::Filter::on_connection), the throttle, `X-Forwarded-For`, hashes, limits and logs.
//! `--trusted-proxy` applies to the address that was read too: it names proxies that speak HTTP.
//!
//! A connection that has yet to send it is a task that waits, as an idle client is. It holds no worker, and counts
//! against `--max-clients`. The wait is boxed: its memory is given back before the first request. Without a prelude,
//! `()`, all of this compiles to nothing. Chapter 9 reads PROXY headers here.

use std::{
    fmt::Debug,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::net::TcpStream;

/// The addresses of a connection, and what has been read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The client.
    pub client: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// The bytes after the prelude that were read with it: the first request begins with them. They do not pass through
    /// the [`StreamLayer`](common::http::StreamLayer): a server with another one than `Plaintext` needs a prelude that
    /// reads no byte too many.
    pub received: Vec<u8>,
}

/// Why a connection has no prelude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreludeError {
    /// It begins with something else, or FIN came before the end. It is reset.
    Malformed,
    /// It was not complete in time. It is reset.
    TimedOut,
    /// The peer has reset it.
    ClientReset,
    /// The process drains or stops. It is closed with FIN, as an idle client is.
    Drained,
}

/// Reads the preludes of a process's connections.
///
/// For each connection that [`is_expected_from`](Self::is_expected_from) its peer, [`read`](Self::read) is called once,
/// and [`on_end`](Self::on_end) once it has ended. Several workers call it at the same time; it must not block.
pub trait AcceptPrelude: Debug + Send + Sync + 'static {
    /// Whether connections of this peer begin with a prelude. The answer must not change. An IPv4-mapped address comes as
    /// IPv4.
    fn is_expected_from(&self, peer: IpAddr) -> bool;

    /// Within which time it must be complete.
    fn timeout(&self) -> Duration;

    /// Reads the prelude from `stream`, a connection between these addresses. The future is dropped at the deadline,
    /// and when the process drains or stops.
    ///
    /// # Errors
    /// [`PreludeError::Malformed`], as early as that is certain; [`PreludeError::ClientReset`], at an error of the
    /// socket.
    fn read(
        &self,
        stream: &TcpStream,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> impl Future<Output = Result<ConnectionInfo, PreludeError>>;

    /// The wait for a prelude has ended. To be counted.
    fn on_end(&self, outcome: Result<(), PreludeError>);
}

impl AcceptPrelude for () {
    fn is_expected_from(&self, _peer: IpAddr) -> bool {
        false
    }

    fn timeout(&self) -> Duration {
        Duration::ZERO
    }

    async fn read(
        &self,
        _stream: &TcpStream,
        client: SocketAddr,
        local: SocketAddr,
    ) -> Result<ConnectionInfo, PreludeError> {
        Ok(ConnectionInfo { client, local, received: Vec::new() })
    }

    fn on_end(&self, _outcome: Result<(), PreludeError>) {}
}
