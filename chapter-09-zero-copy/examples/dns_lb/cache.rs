//! A caching resolver for one name, as much of one as the demonstration needs.
//!
//! Time is passed in. It sends real queries, one at a time, so it neither repeats them nor chooses random ids and ports
//! against forged answers, as a resolver must.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RecordType},
};

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: usize = 512;

/// The resolver of some clients.
#[derive(Debug)]
pub(crate) struct CachingResolver {
    name: Name,
    /// Answers with a shorter TTL are kept for this many seconds: unbound calls it `cache-min-ttl`.
    min_ttl: u32,
    socket: UdpSocket,
    queries: u16,
    cached: Option<Cached>,
}

#[derive(Debug)]
struct Cached {
    addresses: Vec<IpAddr>,
    /// In seconds.
    expires_at: u32,
}

impl CachingResolver {
    /// A resolver that asks `server` for the A records of `name`.
    ///
    /// # Errors
    /// No socket is available.
    pub(crate) fn new(name: Name, min_ttl: u32, server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { name, min_ttl, socket, queries: 0, cached: None })
    }

    /// Queries sent so far.
    pub(crate) fn queries(&self) -> u16 {
        self.queries
    }

    // ANCHOR: resolve
    /// The addresses at second `now`, in the order of the answer. Asks the server only if none are cached.
    ///
    /// # Errors
    /// The server does not answer, or not with addresses.
    pub(crate) fn resolve(&mut self, now: u32) -> io::Result<&[IpAddr]> {
        if self.cached.as_ref().is_none_or(|cached| cached.expires_at <= now) {
            let (addresses, ttl) = self.ask()?;
            self.cached = Some(Cached { addresses, expires_at: now + ttl.max(self.min_ttl) });
        }
        Ok(self.cached.as_ref().map_or(&[], |cached| &cached.addresses))
    }
    // ANCHOR_END: resolve

    /// The server's addresses and their TTL in seconds.
    fn ask(&mut self) -> io::Result<(Vec<IpAddr>, u32)> {
        self.queries += 1;
        let mut query = Message::new(self.queries, MessageType::Query, OpCode::Query);
        query.add_query(Query::query(self.name.clone(), RecordType::A));
        self.socket.send(&query.to_vec().map_err(io::Error::other)?)?;
        let mut buffer = [0; MAX_ANSWER_BYTES];
        let length = self.socket.recv(&mut buffer)?;
        let answer = Message::from_vec(&buffer[..length]).map_err(io::Error::other)?;
        let addresses: Vec<_> = answer.answers.iter().filter_map(|record| record.data.ip_addr()).collect();
        let ttl = answer.answers.iter().map(|record| record.ttl).min();
        match ttl {
            Some(ttl) if answer.id == self.queries && !addresses.is_empty() => Ok((addresses, ttl)),
            _ => Err(io::Error::other("the answer has no address")),
        }
    }
}
