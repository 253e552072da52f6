//! One client connection and its requests, one after another.

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

/// A client connection, and the HTTP relay of its current request.
#[derive(Debug)]
pub struct ClientConnection {
    /// The client's socket.
    pub socket: Socket,
    /// The current exchange.
    pub relay: Box<Relay>,
    client_address: ClientAddress,
    head: Head,
    request_buffer: RequestBuffer,
    connection_id: u32,
    request_count: u32,
    request_started_at: Instant,
}

impl ClientConnection {
    /// Takes an accepted stream. `connection_id` becomes part of its request IDs.
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

    /// When the first byte of the current request arrived.
    pub fn request_started_at(&self) -> Instant {
        self.request_started_at
    }

    /// The client's IP address.
    pub fn peer_ip(&self) -> IpAddr {
        self.client_address.peer()
    }

    /// Waits for a request and begins it. `Ok(false)`: the client has disconnected, or the idle timeout has expired.
    ///
    /// # Errors
    /// The request is invalid or incomplete: call [`reject_request`](Self::reject_request).
    pub fn next_request(
        &mut self,
        driver: &mut BlockingDriver<'_>,
        forwarding: &Forwarding,
        identity: InstanceId,
    ) -> Result<bool, ProxyError> {
        self.next_request_with(driver, forwarding, identity, |_, _| Ok(None))
    }

    /// As [`next_request`](Self::next_request); `inspect` is called with the head, while its bytes are still buffered,
    /// and the client's IP address. It may return a target that replaces the request's, or reject the request.
    ///
    /// # Errors
    /// As [`next_request`](Self::next_request), and the errors of `inspect`.
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
            let protocol_error = |error| ProxyError::invalid_request(error, Phase::RequestHead);
            if let Some(received) =
                self.request_buffer.read_request(received_bytes, &mut self.head).map_err(protocol_error)?
            {
                let head = self.head.view(received.head);
                let target = inspect(head, self.client_address.real_ip(head, forwarding)).map_err(protocol_error)?;
                let head = target.as_deref().map_or(head, |target| head.with_target(target));
                self.request_count = self.request_count.wrapping_add(1);
                if head.method() == Method::Connect {
                    self.relay.begin_connect(&self.client_address); // only a forward proxy's `Head` accepts CONNECT
                } else {
                    let id = identity.request_id(self.connection_id, self.request_count);
                    self.relay.begin(head, forwarding, &self.client_address, id).map_err(protocol_error)?;
                }
                let length = received.head.len() + self.relay.take_client_bytes(received.rest)?;
                self.request_buffer.consume(received_bytes, length);
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
                // One deadline for the whole head: a client that sends a byte now and then does not extend it.
                self.request_started_at = now();
                deadline = self.request_started_at + head_timeout;
            }
        }
    }

    /// Answers an invalid request with a local reply. Returns the record of the exchange, and how to close the
    /// connection.
    pub fn reject_request(&mut self, driver: &mut BlockingDriver<'_>, error: &ProxyError) -> (Exchange, AfterClient) {
        self.relay.reject_request(error, wall_clock());
        driver.send_local_reply(&mut self.relay, &mut self.socket);
        let (mut exchange, after, _) = self.relay.end();
        exchange.times.total = self.request_started_at.elapsed();
        (exchange, after)
    }

    /// Keeps the pipelined bytes for the next request. Call it when an exchange ends and the connection stays open.
    pub fn keep_pipelined_bytes(&mut self) {
        self.request_buffer.push_pipelined(self.relay.take_pipelined());
    }
}
