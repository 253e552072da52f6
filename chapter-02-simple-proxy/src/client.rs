//! A client's connection between and during its requests.

use std::{
    io,
    net::{IpAddr, TcpStream},
    time::Instant,
};

use common::{
    http::{ClientAddress, Forwarding, Head, HeadView, Input, Kind, Method, Phase, ProxyError, Refusal, Relay, Side},
    identity::Identity,
};

use crate::{
    socket::Socket,
    waiter::{Waiter, now},
};

/// What an inbox may keep for the next head; most heads fit.
const KEEP_CAPACITY: usize = 4 * 1024;

/// A client, and the machine that serves it.
#[derive(Debug)]
pub struct Client {
    /// Its socket.
    pub socket: Socket,
    /// The exchange under way.
    pub relay: Box<Relay>,
    address: ClientAddress,
    head: Head,
    /// A part of a head, or requests that came ahead of their turn.
    inbox: Vec<u8>,
    connection: u32,
    requests: u32,
    started: Instant,
}

impl Client {
    /// Takes the `connection`th accepted stream.
    pub fn new(stream: TcpStream, connection: u32, forwarding: &Forwarding) -> io::Result<Self> {
        let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
        Ok(Self {
            socket: Socket::accepted(stream)?,
            relay: Box::default(),
            address: ClientAddress::new(peer.ip(), local, forwarding),
            head: Head::for_role(forwarding.role),
            inbox: Vec::new(),
            connection,
            requests: 0,
            started: now(),
        })
    }

    /// When the first byte of the last request was there.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Its address.
    pub fn peer(&self) -> IpAddr {
        self.address.peer()
    }

    /// Waits for a request and begins it. `Ok(false)`: the client has left, or was idle for too long.
    ///
    /// # Errors
    /// What came is no request, or does not come: to be rejected.
    pub fn next_request(
        &mut self,
        waiter: &mut Waiter<'_>,
        forwarding: &Forwarding,
        identity: Identity,
    ) -> Result<bool, ProxyError> {
        self.next_request_with(waiter, forwarding, identity, |_, _| Ok(None))
    }

    /// As [`next_request`](Self::next_request); `look` is shown the head while its bytes are still there, and who sent
    /// it. It may give a target to send on in place of the one that came, or refuse.
    ///
    /// # Errors
    /// What came is no request, or does not come: to be rejected.
    pub fn next_request_with(
        &mut self,
        waiter: &mut Waiter<'_>,
        forwarding: &Forwarding,
        identity: Identity,
        look: impl FnOnce(HeadView<'_>, IpAddr) -> Result<Option<Vec<u8>>, Refusal>,
    ) -> Result<bool, ProxyError> {
        let mut scanned = 0;
        self.started = now();
        let mut by = self.started + if self.inbox.is_empty() { waiter.idle_time() } else { waiter.timeouts().head };
        loop {
            let refused = |refusal| ProxyError::refused_request(refusal, Phase::Head);
            if let Some(length) = self.head.read_request(&self.inbox, &mut scanned).map_err(refused)? {
                let head = self.head.view(&self.inbox[..length]);
                let target = look(head, self.address.named_in(head, forwarding)).map_err(refused)?;
                return self.begin(length, target.as_deref(), forwarding, identity).map(|()| true);
            }
            // An empty line after a body is noise that some clients make, and no request yet.
            let idle = matches!(self.inbox[..], [] | [b'\r'] | [b'\r', b'\n']);
            let bytes = match waiter.read(&mut self.socket, by, idle) {
                Ok([]) | Err(_) if idle => return Ok(false),
                Ok([]) => return Err(ProxyError::new(Kind::Closed, Side::Client, Phase::Head)),
                got => got?,
            };
            self.inbox.extend_from_slice(bytes);
            if idle {
                // The head has one deadline for all of it: a byte now and then buys no time.
                self.started = now();
                by = self.started + waiter.timeouts().head;
            }
        }
    }

    fn begin(
        &mut self,
        length: usize,
        target: Option<&[u8]>,
        forwarding: &Forwarding,
        identity: Identity,
    ) -> Result<(), ProxyError> {
        self.requests = self.requests.wrapping_add(1);
        let id = identity.request_id(self.connection, self.requests);
        let head = self.head.view(&self.inbox[..length]);
        let head = target.map_or(head, |target| head.with_target(target));
        if head.method() == Method::Connect {
            self.relay.begin_tunnel(&self.address); // only a forward proxy's `Head` lets one through
        } else {
            let begun = self.relay.begin(head, forwarding, &self.address, id);
            begun.map_err(|refusal| ProxyError::refused_request(refusal, Phase::Head))?;
        }
        let rest = &self.inbox[length..];
        let used = if rest.is_empty() { 0 } else { self.relay.from_client(Input::Bytes(rest))? };
        self.relay.keep_surplus(&rest[used..]);
        self.inbox.clear();
        self.inbox.shrink_to(KEEP_CAPACITY);
        Ok(())
    }

    /// The exchange is over and the connection stays: what came ahead is next.
    pub fn keep_alive(&mut self) {
        self.inbox.append(&mut self.relay.take_surplus());
    }
}
