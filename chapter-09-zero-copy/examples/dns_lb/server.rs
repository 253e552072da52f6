//! The sockets of the name server: UDP, and TCP for answers that do not fit into a datagram (RFC 7766).

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use common::net::{ACCEPT_PAUSE, AcceptError};

use crate::{
    answer::{Transport, answer},
    health::BackendHealth,
    turns::Turns,
    zone::Zone,
};

/// No datagram is longer.
const MAX_QUERY_BYTES: usize = 65_535;
/// Connections beyond it are closed at once: each has a thread.
const MAX_CONNECTIONS: usize = 64;
/// A connection without a byte for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many ports the kernel may choose until one is free for both protocols.
const PORT_ATTEMPTS: usize = 16;

/// What a name server answers from.
#[derive(Debug)]
pub(crate) struct NameServer {
    pub(crate) zone: Zone,
    pub(crate) health: BackendHealth,
    pub(crate) turns: Turns,
}

impl NameServer {
    fn answer(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        answer(query, &self.zone, &self.health.snapshot(), &self.turns, transport)
    }
}

/// Bound sockets, one for each protocol, with one port.
#[derive(Debug)]
pub(crate) struct DnsSockets {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl DnsSockets {
    /// Binds 127.0.0.1. With port 0 the kernel chooses.
    ///
    /// # Errors
    /// The port is in use, or may not be bound.
    pub(crate) fn bind(port: u16) -> io::Result<Self> {
        let mut attempts = if port == 0 { PORT_ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
            match TcpListener::bind(udp.local_addr()?) {
                Ok(tcp) => return Ok(Self { udp, tcp }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The address of both.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Answers queries for as long as the process lives.
    ///
    /// # Errors
    /// A socket or a thread fails.
    pub(crate) fn serve(self, server: &Arc<NameServer>) -> io::Result<()> {
        let for_tcp = Arc::clone(server);
        let tcp = self.tcp;
        thread::Builder::new().name("dns-tcp".into()).spawn(move || accept_all(&tcp, &for_tcp))?;
        let mut query = vec![0; MAX_QUERY_BYTES];
        loop {
            let (length, client) = self.udp.recv_from(&mut query)?;
            if let Some(response) = server.answer(&query[..length], Transport::Udp) {
                // A client that cannot be reached asks again, or does not.
                let _ = self.udp.send_to(&response, client);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "no descriptor is free, and no event tells when one is")]
fn accept_all(listener: &TcpListener, server: &Arc<NameServer>) {
    let connections = Arc::new(AtomicUsize::new(0));
    loop {
        match listener.accept() {
            Ok((stream, _)) if connections.load(Relaxed) < MAX_CONNECTIONS => {
                connections.fetch_add(1, Relaxed);
                let (server, count) = (Arc::clone(server), Arc::clone(&connections));
                let serve = move || {
                    let _ = serve_connection(stream, &server);
                    count.fetch_sub(1, Relaxed);
                };
                if thread::Builder::new().name("dns-connection".into()).spawn(serve).is_err() {
                    connections.fetch_sub(1, Relaxed);
                }
            }
            Ok(_) => {}
            Err(error) if AcceptError::classify(&error) == AcceptError::Transient => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

/// Answers the queries of a connection, each behind its length, until the client closes it or is idle.
fn serve_connection(mut stream: TcpStream, server: &NameServer) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE_TIMEOUT))?;
    stream.set_write_timeout(Some(IDLE_TIMEOUT))?;
    let mut length = [0; 2];
    let mut query = Vec::new();
    loop {
        stream.read_exact(&mut length)?;
        query.resize(usize::from(u16::from_be_bytes(length)), 0);
        stream.read_exact(&mut query)?;
        let Some(response) = server.answer(&query, Transport::Tcp) else { return Ok(()) };
        let length = u16::try_from(response.len()).map_err(io::Error::other)?;
        // One write: length and message in two segments are what some resolvers stumble over (RFC 7766 section 8).
        stream.write_all(&[&length.to_be_bytes(), &response[..]].concat())?;
    }
}
