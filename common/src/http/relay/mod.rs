//! One request and its response, as a state machine without I/O.
//!
//! A relay takes what the sockets gave ([`from_client`](Relay::from_client), [`from_backend`](Relay::from_backend)) and
//! says what it waits for ([`wants`](Relay::wants)); bytes pending for a socket are in its send buffer. It has no
//! socket and no clock, so the rules on early responses, retries, half-close and truncation are written once, for
//! threads, event loops and `async`. Box and reuse it: its buffers keep their memory.
//!
//! Order of calls: `begin`, then per attempt `attempt` and any number of pumps, `fail` or `send_local_reply` if the
//! exchange cannot continue, and `end` once after [`pump`](super::pump()) returns `Done`.

mod finish;
mod from_backend;
mod from_client;
mod readiness;
mod splicing;

use std::{io, net::IpAddr};

use super::{
    body::{BodyDecoder, BodyEncoder},
    date::HttpDate,
    error::{FailureKind, Phase, ProxyError, Side},
    exchange::{ExchangeFailure, Method, RequestMeta, Version},
    forwarding::{ClientAddress, Forwarding},
    local_reply::LocalReply,
    parse::{
        head::{Head, HeadView},
        message_info::Framing,
        request_target::ProxyRole,
    },
    protocol_error::ProtocolError,
    send_buffer::SendBuffer,
    write::{
        fields::{put_field, put_via},
        request_head,
    },
};
pub use splicing::SplicedBody;

/// The result of a read from a socket.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Bytes, at least one.
    Bytes(&'a [u8]),
    /// The peer has finished sending (FIN).
    Eof,
    /// The connection is broken (RST or any other error).
    Reset,
}

/// How much of the request has arrived.
#[derive(Debug, Clone, Copy)]
enum RequestState {
    /// The body is being received.
    Body(BodyDecoder, BodyEncoder),
    /// All of it.
    Complete,
    /// The rest will not be read: the request was answered early, or broke off.
    Abandoned,
}

/// How much of the response has arrived.
#[derive(Debug, Clone, Copy)]
enum ResponseState {
    /// No final head yet.
    AwaitingHead,
    Body(BodyDecoder, BodyEncoder),
    Complete,
    /// After a 101 or a CONNECT: both ends use another protocol.
    Tunnel,
    /// It broke off after its head was forwarded: received bytes are delivered, and the end is not faked.
    Incomplete,
}

/// Whether one end of a tunnel has sent FIN, and whether the FIN was forwarded.
#[derive(Debug, Clone, Copy, Default)]
struct HalfClose {
    received: bool,
    forwarded: bool,
}

/// The parts of the request that matter after its head is gone.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts about the request, each read by its name")]
struct DownstreamState {
    /// `None` until a request has begun.
    method: Option<Method>,
    version: Version,
    client_ip: Option<IpAddr>,
    websocket: bool,
    /// Of OPTIONS and TRACE only.
    max_forwards: Option<u64>,
    /// `Expect: 100-continue`, and neither a response nor a byte of the body has arrived.
    awaits_continue: bool,
    backend_keep_alive: bool,
    /// Of a forward proxy only: see [`put_via`](Self::put_via).
    via_pseudonym: Option<Box<str>>,
    /// The next request has arrived with this one, at least in part.
    has_pipelined: bool,
    half_close: HalfClose,
}

impl DownstreamState {
    /// Writes the Via of a response with this version. A gateway need not name itself in responses; a proxy must (RFC
    /// 9110 §7.6.3).
    fn put_via(&self, received: Version, out: &mut Vec<u8>) {
        if let Some(pseudonym) = &self.via_pseudonym {
            put_via(out, received, pseudonym);
        }
    }
}

/// The backend connection of the current attempt.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that arise at different times, each read by its name")]
struct UpstreamState {
    reused: bool,
    /// At least one byte of the request was written.
    request_started: bool,
    /// At least one byte of a response was read.
    response_started: bool,
    /// The backend takes no more bytes; its response may still arrive.
    write_error: Option<io::Error>,
    /// How much of a partial head has been searched for its end.
    scanned: usize,
    /// The connection must not be reused.
    must_close: bool,
    /// The backend's `Keep-Alive: timeout`.
    keep_alive_timeout: Option<u32>,
    half_close: HalfClose,
}

/// What the record will contain, and what decides about the connections.
#[derive(Debug, Default)]
struct Outcome {
    /// The status of the final response, once its head was forwarded or a local reply was decided on; before, 0.
    status: u16,
    /// The reason of the local reply, if the response is one.
    local_reply: Option<&'static str>,
    close_client: bool,
    /// The body to the client ends with the connection.
    close_delimited: bool,
    aborted: bool,
    failure: Option<ExchangeFailure>,
    bytes_from_client: u64,
    bytes_from_backend: u64,
}

/// A local reply that the next pump writes.
#[derive(Debug, Clone, Copy)]
struct PendingReply {
    reply: LocalReply,
    date: HttpDate,
}

/// Bytes written to and read from each side. Interim responses, and a final head that arrives slowly, do not count as
/// read: they must not extend a timeout.
#[derive(Debug, Default, Clone, Copy)]
struct TransferCounters {
    written_to_client: u64,
    read_from_client: u64,
    /// Of what was read: the body or tunnel of this request, without what is pipelined behind it.
    consumed_from_client: u64,
    written_to_backend: u64,
    read_from_backend: u64,
}

/// Which bodies go past the relay.
#[derive(Debug, Clone, Copy)]
struct Splicing {
    /// Those of which at least this many bytes are still to come.
    threshold: u64,
    /// The side whose body does now.
    source: Option<Side>,
}

impl Default for Splicing {
    /// None.
    fn default() -> Self {
        Self { threshold: u64::MAX, source: None }
    }
}

/// One request and its response.
#[derive(Debug)]
pub struct Relay {
    to_backend: SendBuffer,
    to_client: SendBuffer,
    request: RequestState,
    response: ResponseState,
    downstream: DownstreamState,
    attempts: u8,
    upstream: UpstreamState,
    outcome: Outcome,
    /// The head of the response. The relay owns it, and not the engine: a relay that is boxed and reused then needs no
    /// other buffer for an exchange.
    head: Head,
    /// The part of a response head that has arrived.
    partial_head: Vec<u8>,
    /// Pipelined bytes that the relay has read itself, with the end of a body.
    pipelined: Vec<u8>,
    /// Header lines that we add to the response.
    added_fields: Vec<u8>,
    /// The names of the backend's headers that a hook removes from the response.
    removed_fields: Vec<&'static str>,
    pending_reply: Option<PendingReply>,
    transferred: TransferCounters,
    splicing: Splicing,
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}

impl Relay {
    /// An idle relay. Its buffers grow on first use.
    pub fn new() -> Self {
        Self {
            to_backend: SendBuffer::default(),
            to_client: SendBuffer::default(),
            request: RequestState::Complete,
            response: ResponseState::Complete,
            downstream: DownstreamState::default(),
            attempts: 0,
            upstream: UpstreamState::default(),
            outcome: Outcome::default(),
            head: Head::new(),
            partial_head: Vec::new(),
            pipelined: Vec::new(),
            added_fields: Vec::new(),
            removed_fields: Vec::new(),
            pending_reply: None,
            transferred: TransferCounters::default(),
            splicing: Splicing::default(),
        }
    }

    /// Begins an exchange and writes the request head for the backend once: a retry sends the same bytes. Pass body
    /// bytes that arrived with the head to [`from_client`](Self::from_client) next. `forwarding` (per process) and
    /// `client` (per connection) are separate arguments, so neither is copied into a policy struct per request.
    ///
    /// # Errors
    /// [`ProtocolError::LoopDetected`]. The relay is then in its initial state, for
    /// [`reject_request`](Self::reject_request).
    pub fn begin(
        &mut self,
        head: HeadView<'_>,
        forwarding: &Forwarding,
        client: &ClientAddress,
        request_id: u128,
    ) -> Result<(), ProtocolError> {
        self.reset();
        let client_ip =
            request_head::write_request_head(head, forwarding, client, request_id, self.to_backend.buf_mut())?;
        let (info, version) = (head.message_info(), head.version());
        self.outcome.close_client = head.must_close();
        self.request = match info.framing {
            Framing::None | Framing::Length(0) => RequestState::Complete,
            Framing::Length(length) => RequestState::Body(BodyDecoder::Length(length), BodyEncoder::Raw),
            Framing::Chunked => RequestState::Body(BodyDecoder::chunked(Side::Client), BodyEncoder::Chunked),
        };
        let has_body = matches!(self.request, RequestState::Body(..));
        self.downstream = DownstreamState {
            method: Some(head.method()),
            version,
            client_ip: Some(client_ip),
            websocket: request_head::is_websocket_request(head),
            max_forwards: head.max_forwards(),
            awaits_continue: has_body && info.expects_continue && version == Version::Http11,
            backend_keep_alive: forwarding.backend_keep_alive,
            has_pipelined: false,
            via_pseudonym: (forwarding.role == ProxyRole::Forward).then(|| forwarding.via_pseudonym.as_str().into()),
            half_close: HalfClose::default(),
        };
        self.response = ResponseState::AwaitingHead;
        Ok(())
    }

    /// Begins a CONNECT. Next, connect to the authority that it names, then call
    /// [`establish_tunnel`](Self::establish_tunnel), or [`fail`](Self::fail).
    pub fn begin_connect(&mut self, client: &ClientAddress) {
        self.reset();
        self.downstream = DownstreamState {
            method: Some(Method::Connect),
            client_ip: Some(client.peer()),
            ..DownstreamState::default()
        };
        self.outcome.close_client = true;
    }

    /// The connection for a CONNECT is established: answers 200 and enters the tunnel (RFC 9110 §9.3.6). Pipelined
    /// bytes are sent to the backend first.
    pub fn establish_tunnel(&mut self) {
        self.attempts = 1;
        self.outcome.status = 200;
        self.to_client.buf_mut().extend_from_slice(b"HTTP/1.1 200 Connection established\r\n\r\n");
        self.enter_tunnel();
    }

    /// Clears the last exchange and everything that belonged to its client.
    fn reset(&mut self) {
        self.to_backend.reset(true);
        self.to_client.reset(false);
        self.request = RequestState::Complete;
        self.response = ResponseState::Complete;
        self.downstream = DownstreamState::default();
        self.attempts = 0;
        self.upstream = UpstreamState::default();
        self.outcome = Outcome::default();
        self.transferred = TransferCounters::default();
        self.partial_head.clear();
        self.pipelined.clear();
        self.clear_response_fields();
        self.pending_reply = None;
        self.splicing = Splicing::default();
    }

    /// Begins an attempt over an established backend connection. `reused`: it has served before.
    ///
    /// # Panics
    /// In debug builds, if the last error did not allow a retry ([`may_retry`](Self::may_retry)).
    pub fn attempt(&mut self, reused: bool) {
        self.attempts = self.attempts.saturating_add(1);
        self.upstream = UpstreamState { reused, ..UpstreamState::default() };
        self.partial_head.clear();
        self.to_backend.rewind();
    }

    /// Whether the request may be sent to another backend after `error` (RFC 9110 §9.2.2): no byte of it was sent; or
    /// it is idempotent, nothing of a response has arrived, and all bytes sent can be replayed.
    pub fn may_retry(&self, error: &ProxyError) -> bool {
        let can_replay = matches!(self.response, ResponseState::AwaitingHead)
            && !self.upstream.response_started
            && self.to_backend.is_replayable();
        let transient = match error.kind {
            FailureKind::Connect => true,
            FailureKind::Timeout => error.phase == Phase::Connect,
            FailureKind::IncompleteMessage | FailureKind::Reset => {
                !self.upstream.request_started || self.downstream.method.is_some_and(Method::is_idempotent)
            }
            FailureKind::Protocol(_)
            | FailureKind::Unavailable
            | FailureKind::ShuttingDown
            | FailureKind::Aborted
            | FailureKind::ClosedInQueue
            | FailureKind::ResourceExhausted => false,
        };
        error.side == Side::Backend && can_replay && transient
    }

    /// The bytes of the request's body or tunnel that came from the client, with their framing.
    pub fn body_bytes_received(&self) -> u64 {
        self.transferred.consumed_from_client
    }

    /// The bytes that were sent to the client: heads, body or tunnel, and framing.
    pub fn bytes_sent(&self) -> u64 {
        self.transferred.written_to_client
    }

    /// The status of the backend's final response, once its head was forwarded.
    pub fn backend_status(&self) -> Option<u16> {
        (self.outcome.status != 0 && self.outcome.local_reply.is_none()).then_some(self.outcome.status)
    }

    /// The reply to a request that may not be forwarded: OPTIONS or TRACE with `Max-Forwards: 0` (RFC 9110 §7.6.2).
    #[inline]
    pub fn final_recipient_reply(&self) -> Option<LocalReply> {
        match (self.downstream.max_forwards, self.downstream.method) {
            (Some(0), Some(Method::Trace)) => Some(LocalReply::TRACE),
            (Some(0), _) => Some(LocalReply::OPTIONS),
            _ => None,
        }
    }

    /// How many seconds the backend keeps the connection of this attempt idle, if its response said so.
    pub fn backend_keep_alive(&self) -> Option<u32> {
        self.upstream.keep_alive_timeout
    }

    /// What policies need of this request; `None` before `begin`.
    pub fn request_meta(&self) -> Option<RequestMeta> {
        self.downstream
            .method
            .zip(self.downstream.client_ip)
            .map(|(method, client_ip)| RequestMeta { method, client_ip })
    }

    /// Adds a header to the backend's final response, such as a cookie that names the backend. A local reply goes
    /// without it. `name` and `value` come from us and are not validated.
    pub fn add_response_field(&mut self, name: &str, value: &str) {
        put_field(&mut self.added_fields, name.as_bytes(), value.as_bytes());
    }

    /// Removes the headers added by [`add_response_field`](Self::add_response_field), before another backend is tried.
    pub fn clear_response_fields(&mut self) {
        self.added_fields.clear();
        self.removed_fields.clear();
    }

    /// Makes this response the last on its connection, because the process is draining. Does nothing once the response
    /// head was forwarded, nor while pipelined requests are waiting: the client sent them before it could know of the
    /// shutdown, so the last of them closes. (RFC 9112 §9.6 would allow dropping them.)
    pub fn close_after_response(&mut self) {
        if self.outcome.status == 0 && !self.downstream.has_pipelined && self.pipelined.is_empty() {
            self.outcome.close_client = true;
        }
    }
}
