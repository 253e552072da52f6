//! A client's connection between and during its requests.

use std::{
    io,
    net::{IpAddr, TcpStream},
    time::Instant,
};

use common::{
    clock::{now, wall_clock},
    http::{
        AfterClient, ClientAddress, Exchange, Forwarding, Head, HeadView, Inbox, Kind, Method, Phase, ProxyError,
        Refusal, Relay, Side,
    },
    instance_id::Identity,
};

use crate::{driver::Waiter, socket::Socket};

/// A client, and the machine that serves it.
#[derive(Debug)]
pub struct Client {
    /// Its socket.
    pub socket: Socket,
    /// The exchange under way.
    pub relay: Box<Relay>,
    address: ClientAddress,
    head: Head,
    inbox: Inbox,
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
            inbox: Inbox::default(),
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
        self.started = now();
        let head_time = waiter.timeouts().head;
        let mut by = self.started + if self.inbox.is_idle() { waiter.idle_time() } else { head_time };
        let mut came: &[u8] = &[];
        loop {
            let refused = |refusal| ProxyError::refused_request(refusal, Phase::Head);
            if let Some(received) = self.inbox.look(came, &mut self.head).map_err(refused)? {
                let head = self.head.view(received.head);
                let target = look(head, self.address.named_in(head, forwarding)).map_err(refused)?;
                let head = target.as_deref().map_or(head, |target| head.with_target(target));
                self.requests = self.requests.wrapping_add(1);
                if head.method() == Method::Connect {
                    self.relay.begin_tunnel(&self.address); // only a forward proxy's `Head` lets one through
                } else {
                    let id = identity.request_id(self.connection, self.requests);
                    self.relay.begin(head, forwarding, &self.address, id).map_err(refused)?;
                }
                self.relay.take_in(received.rest)?;
                self.inbox.clear();
                return Ok(true);
            }
            let idle = self.inbox.is_idle();
            came = match waiter.read(&mut self.socket, by, idle) {
                Ok([]) | Err(_) if idle => return Ok(false),
                Ok([]) => return Err(ProxyError::new(Kind::Closed, Side::Client, Phase::Head)),
                got => got?,
            };
            if idle {
                // The head has one deadline for all of it: a byte now and then buys no time.
                self.started = now();
                by = self.started + head_time;
            }
        }
    }

    /// Answers what is no request. The connection is done after that: gives the record of the exchange, and how to close.
    pub fn reject(&mut self, waiter: &mut Waiter<'_>, error: &ProxyError) -> (Exchange, AfterClient) {
        self.relay.reject(error, wall_clock());
        waiter.deliver(&mut self.relay, &mut self.socket);
        let (mut exchange, after, _) = self.relay.end();
        exchange.times.total = self.started.elapsed();
        (exchange, after)
    }

    /// The exchange is over and the connection stays: what came ahead is next.
    pub fn keep_alive(&mut self) {
        self.inbox.keep(self.relay.take_surplus());
    }
}
