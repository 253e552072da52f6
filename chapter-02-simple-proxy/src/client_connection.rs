//! A client's connection between and during its requests.

use std::{
    io,
    net::{IpAddr, TcpStream},
    time::Instant,
};

use common::{
    clock::{now, wall_clock},
    http::{
        AfterClient, ClientAddress, Exchange, FailureKind, Forwarding, Head, HeadView, Method, Phase, ProtocolError,
        ProxyError, Relay, RequestBuffer, Side,
    },
    instance_id::InstanceId,
};

use crate::{driver::BlockingDriver, socket::Socket};

/// A client, and the machine that serves it.
#[derive(Debug)]
pub struct ClientConnection {
    /// Its socket.
    pub socket: Socket,
    /// The exchange under way.
    pub relay: Box<Relay>,
    client_address: ClientAddress,
    head: Head,
    request_buffer: RequestBuffer,
    connection_id: u32,
    request_count: u32,
    request_started_at: Instant,
}

impl ClientConnection {
    /// Takes the `connection`th accepted stream.
    pub fn new(stream: TcpStream, connection_id: u32, forwarding: &Forwarding) -> io::Result<Self> {
        let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
        Ok(Self {
            socket: Socket::from_accepted(stream)?,
            relay: Box::default(),
            client_address: ClientAddress::new(peer.ip(), local, forwarding),
            head: Head::with_role(forwarding.role),
            request_buffer: RequestBuffer::default(),
            connection_id,
            request_count: 0,
            request_started_at: now(),
        })
    }

    /// When the first byte of the last request was there.
    pub fn request_started_at(&self) -> Instant {
        self.request_started_at
    }

    /// Its address.
    pub fn peer_ip(&self) -> IpAddr {
        self.client_address.peer()
    }

    /// Waits for a request and begins it. `Ok(false)`: the client has left, or was idle for too long.
    ///
    /// # Errors
    /// What came is no request, or does not come: to be rejected.
    pub fn next_request(
        &mut self,
        driver: &mut BlockingDriver<'_>,
        forwarding: &Forwarding,
        identity: InstanceId,
    ) -> Result<bool, ProxyError> {
        self.next_request_with(driver, forwarding, identity, |_, _| Ok(None))
    }

    /// As [`next_request`](Self::next_request); `look` is shown the head while its bytes are still there, and who sent
    /// it. It may give a target to send on in place of the one that came, or refuse.
    ///
    /// # Errors
    /// What came is no request, or does not come: to be rejected.
    pub fn next_request_with(
        &mut self,
        driver: &mut BlockingDriver<'_>,
        forwarding: &Forwarding,
        identity: InstanceId,
        inspect: impl FnOnce(HeadView<'_>, IpAddr) -> Result<Option<Vec<u8>>, ProtocolError>,
    ) -> Result<bool, ProxyError> {
        self.request_started_at = now();
        let head_timeout = driver.timeouts().head;
        let mut deadline =
            self.request_started_at + if self.request_buffer.is_idle() { driver.idle_timeout() } else { head_timeout };
        let mut received_bytes: &[u8] = &[];
        loop {
            let protocol_error = |refusal| ProxyError::invalid_request(refusal, Phase::RequestHead);
            if let Some(received) =
                self.request_buffer.read_request(received_bytes, &mut self.head).map_err(protocol_error)?
            {
                let head = self.head.view(received.head);
                let target = inspect(head, self.client_address.real_ip(head, forwarding)).map_err(protocol_error)?;
                let head = target.as_deref().map_or(head, |target| head.with_target(target));
                self.request_count = self.request_count.wrapping_add(1);
                if head.method() == Method::Connect {
                    self.relay.begin_tunnel(&self.client_address); // only a forward proxy's `Head` lets one through
                } else {
                    let id = identity.request_id(self.connection_id, self.request_count);
                    self.relay.begin(head, forwarding, &self.client_address, id).map_err(protocol_error)?;
                }
                self.relay.push_client_bytes(received.rest)?;
                self.request_buffer.clear();
                return Ok(true);
            }
            let is_idle = self.request_buffer.is_idle();
            received_bytes = match driver.read_client(&mut self.socket, deadline, is_idle) {
                Ok([]) | Err(_) if is_idle => return Ok(false),
                Ok([]) => {
                    return Err(ProxyError::new(FailureKind::IncompleteMessage, Side::Client, Phase::RequestHead));
                }
                result => result?,
            };
            if is_idle {
                // The head has one deadline for all of it: a byte now and then buys no time.
                self.request_started_at = now();
                deadline = self.request_started_at + head_timeout;
            }
        }
    }

    /// Answers what is no request. The connection is done after that: gives the record of the exchange, and how to close.
    pub fn reject_request(&mut self, driver: &mut BlockingDriver<'_>, error: &ProxyError) -> (Exchange, AfterClient) {
        self.relay.reject_request(error, wall_clock());
        driver.send_local_reply(&mut self.relay, &mut self.socket);
        let (mut exchange, after, _) = self.relay.end();
        exchange.times.total = self.request_started_at.elapsed();
        (exchange, after)
    }

    /// The exchange is over and the connection stays: what came ahead is next.
    pub fn keep_pipelined_bytes(&mut self) {
        self.request_buffer.push_pipelined(self.relay.take_pipelined());
    }
}
