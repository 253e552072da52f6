//! One request and its answer, as a machine that never waits.
//!
//! A relay is fed what the sockets gave ([`from_client`](Relay::from_client), [`from_backend`](Relay::from_backend))
//! and says what it wants next ([`wants`](Relay::wants)); what each socket is owed stands in a lane. It has
//! no socket and no clock, so the rules on early answers, retries, half-close and truncation stand here
//! once, for threads, for the event loop and for `async`. Box it and use it again: its lanes keep their memory.
//!
//! Order of calls: `begin`, then per attempt `attempt` and any number of pumps, `fail` or `answer` where the
//! exchange cannot go on, `end` once when [`pump`](super::pump) says `Done`.

mod finish;
mod from_backend;
mod from_client;
mod readiness;

use std::{io, net::IpAddr};

use super::{
    body::{BodyDecoder, BodyEncoder},
    error::{FailureKind, Phase, ProxyError, Side},
    exchange::{Failure, Method, RequestMeta, Version},
    forwarding::{ClientAddress, Forwarding},
    parse::{
        head::{Head, HeadView},
        message_info::Framing,
    },
    protocol_error::ProtocolError,
    send_buffer::SendBuffer,
    write::{fields::put_field, request_head},
};

/// What a socket gave.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Bytes; never none.
    Bytes(&'a [u8]),
    /// The peer will send no more (FIN).
    Eof,
    /// The connection is gone (RST or any other error).
    Reset,
}

/// How much of the request the client has sent.
#[derive(Debug, Clone, Copy)]
enum RequestState {
    /// The body is on its way.
    Body(BodyDecoder, BodyEncoder),
    /// All of it is here.
    Complete,
    /// The rest will not be read: it was answered, or broke off, before its end.
    Abandoned,
}

/// How far the response is.
#[derive(Debug, Clone, Copy)]
enum ResponseState {
    /// No final head yet.
    AwaitingHead,
    Body(BodyDecoder, BodyEncoder),
    Complete,
    /// 101: both ends speak another protocol.
    Tunnel,
    /// It broke off after its head had gone on; what came of it is delivered, its end is not invented.
    Incomplete,
}

/// What one end of a tunnel has said and the other been told.
#[derive(Debug, Clone, Copy, Default)]
struct HalfClose {
    received: bool,
    forwarded: bool,
}

/// The request, as far as it matters after its head is gone.
#[derive(Debug, Default)]
struct DownstreamState {
    /// `None` until one has begun.
    method: Option<Method>,
    version: Version,
    client_ip: Option<IpAddr>,
    websocket: bool,
    /// `Expect: 100-continue`, and neither a response nor a byte of the body has come.
    awaits_continue: bool,
    backend_keep_alive: bool,
    half_close: HalfClose,
}

/// One backend asked: the connection of this attempt.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that arise at different times, each read by its name")]
struct UpstreamState {
    reused: bool,
    /// A byte of the request was taken.
    request_started: bool,
    /// A byte of a response has come.
    response_started: bool,
    /// It takes no more; what it has to say may still come.
    write_error: Option<io::Error>,
    /// How much of a partial head has been looked through.
    scanned: usize,
    /// It must not serve another request.
    must_close: bool,
    half_close: HalfClose,
}

/// What the record and the fate of the connections will say.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that arise at different times, each read by its name")]
struct Outcome {
    /// Of the final response, once its head has gone on; else 0.
    status: u16,
    local_reply: bool,
    close_client: bool,
    /// The client would take the end of the connection for the end of the body.
    close_delimited: bool,
    aborted: bool,
    failure: Option<Failure>,
    bytes_from_client: u64,
    bytes_from_backend: u64,
}

/// Bytes that each side took and gave. Interim responses and a final head that drips in are not counted as
/// given: they buy no time.
#[derive(Debug, Default, Clone, Copy)]
struct TransferCounters {
    written_to_client: u64,
    read_from_client: u64,
    written_to_backend: u64,
    read_from_backend: u64,
}

/// One request and its answer.
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
    /// Of the response.
    head: Head,
    /// The part of a response head that has come.
    partial_head: Vec<u8>,
    /// What the client sent beyond its request.
    pipelined: Vec<u8>,
    /// Field lines that we add to the backend's response.
    added_fields: Vec<u8>,
    transferred: TransferCounters,
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}

impl Relay {
    /// An idle relay. Its lanes grow on first use.
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
            transferred: TransferCounters::default(),
        }
    }

    /// Takes up a request and writes the head that backends get, once: a retry sends the same bytes.
    /// Body bytes that came with the head are to be given to [`from_client`](Self::from_client) next.
    ///
    /// # Errors
    /// [`Refusal::Loop`]. The relay is then as fresh, for [`reject`](Self::reject).
    pub fn begin(
        &mut self,
        head: HeadView<'_>,
        forwarding: &Forwarding,
        client: &ClientAddress,
        request_id: u128,
    ) -> Result<(), ProtocolError> {
        self.reset();
        let named = request_head::write_request_head(head, forwarding, client, request_id, self.to_backend.tail())?;
        let (info, version) = (head.message_info(), head.version());
        // RFC 9112 §9.3: no persistent connections with 1.0 clients, whose keep-alive proxies pass on blindly.
        self.outcome.close_client = info.close || version == Version::Http10;
        self.request = match info.framing {
            Framing::None | Framing::Length(0) => RequestState::Complete,
            Framing::Length(length) => RequestState::Body(BodyDecoder::Length(length), BodyEncoder::Raw),
            Framing::Chunked => RequestState::Body(BodyDecoder::chunked(), BodyEncoder::Chunked),
        };
        let has_body = matches!(self.request, RequestState::Body(..));
        self.downstream = DownstreamState {
            method: Some(head.method()),
            version,
            client_ip: Some(named),
            websocket: request_head::is_websocket_request(head),
            awaits_continue: has_body && info.expects_continue && version == Version::Http11,
            backend_keep_alive: forwarding.backend_keep_alive,
            half_close: HalfClose::default(),
        };
        self.response = ResponseState::AwaitingHead;
        Ok(())
    }

    /// Takes up a CONNECT. Next is a connection to the authority that it named, and then
    /// [`open_tunnel`](Self::open_tunnel), or [`fail`](Self::fail).
    pub fn begin_tunnel(&mut self, client: &ClientAddress) {
        self.reset();
        self.downstream = DownstreamState {
            method: Some(Method::Connect),
            client_ip: Some(client.peer()),
            ..DownstreamState::default()
        };
        self.outcome.close_client = true;
    }

    /// The connection that a CONNECT asked for stands: tells the client, and from here on bytes are bytes
    /// (RFC 9110 §9.3.6). What it sent ahead goes first.
    pub fn open_tunnel(&mut self) {
        self.attempts = 1;
        self.outcome.status = 200;
        self.to_client.tail().extend_from_slice(b"HTTP/1.1 200 Connection established\r\n\r\n");
        self.enter_tunnel();
    }

    /// Forgets the last exchange, and with it all that belonged to its client.
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
        self.added_fields.clear();
    }

    /// A connection to a backend stands. `reused`: it has served before.
    ///
    /// # Panics
    /// In debug builds, when the last error did not allow a retry ([`may_retry`](Self::may_retry)).
    pub fn attempt(&mut self, reused: bool) {
        self.attempts = self.attempts.saturating_add(1);
        self.upstream = UpstreamState { reused, ..UpstreamState::default() };
        self.partial_head.clear();
        self.to_backend.rewind();
    }

    /// Whether the request may go to another backend after `error` (RFC 9110 §9.2.2): no byte of it was
    /// sent; or it is idempotent, nothing of a response has come, and all that was sent is still here.
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
            FailureKind::Protocol(_) | FailureKind::Unavailable | FailureKind::ResourceExhausted => false,
        };
        error.side == Side::Backend && can_replay && transient
    }

    /// What policies may ask of this request; `None` before `begin`.
    pub fn request_meta(&self) -> Option<RequestMeta> {
        self.downstream
            .method
            .zip(self.downstream.client_ip)
            .map(|(method, client_ip)| RequestMeta { method, client_ip })
    }

    /// Adds a field to the head of the backend's final response, such as a cookie that names the backend. Fields of
    /// our own answers go with [`answer`](Self::answer). `name` and `value` are ours: nothing in them is checked.
    pub fn add_response_field(&mut self, name: &str, value: &str) {
        put_field(&mut self.added_fields, name.as_bytes(), value.as_bytes());
    }

    /// Takes back what [`add_to_response`](Self::add_to_response) added: another backend is asked.
    pub fn clear_response_fields(&mut self) {
        self.added_fields.clear();
    }

    /// This response is to be the last on its connection: the process is draining. Does nothing once the
    /// response's head has gone on, nor while requests are held that the client sent ahead: they were on
    /// their way before it could know, so the last of them closes.
    pub fn close_after_response(&mut self) {
        if self.outcome.status == 0 && self.pipelined.is_empty() {
            self.outcome.close_client = true;
        }
    }
}
