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
    body::{BodyReader, BodyWriter},
    error::{Kind, Phase, ProxyError, Side},
    exchange::{Ask, Failure, Method, Version},
    forwarding::{ClientAddress, Forwarding},
    parse::{
        head::{Head, HeadView},
        message_info::Framing,
    },
    protocol_error::Refusal,
    send_buffer::Lane,
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
enum Request {
    /// The body is on its way.
    Body(BodyReader, BodyWriter),
    /// All of it is here.
    Whole,
    /// The rest will not be read: it was answered, or broke off, before its end.
    Abandoned,
}

/// How far the response is.
#[derive(Debug, Clone, Copy)]
enum Response {
    /// No final head yet.
    Head,
    Body(BodyReader, BodyWriter),
    Whole,
    /// 101: both ends speak another protocol.
    Tunnel,
    /// It broke off after its head had gone on; what came of it is delivered, its end is not invented.
    Broken,
}

/// What one end of a tunnel has said and the other been told.
#[derive(Debug, Clone, Copy, Default)]
struct HalfClose {
    seen: bool,
    passed_on: bool,
}

/// The request, as far as it matters after its head is gone.
#[derive(Debug, Default)]
struct Asked {
    /// `None` until one has begun.
    method: Option<Method>,
    version: Version,
    client: Option<IpAddr>,
    websocket: bool,
    /// `Expect: 100-continue`, and neither a response nor a byte of the body has come.
    awaits_continue: bool,
    pooled: bool,
    end: HalfClose,
}

/// One backend asked: the connection of this attempt.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that arise at different times, each read by its name")]
struct Upstream {
    reused: bool,
    /// A byte of the request was taken.
    sent: bool,
    /// A byte of a response has come.
    answered: bool,
    /// It takes no more; what it has to say may still come.
    upload_failed: Option<io::Error>,
    /// How much of a partial head has been looked through.
    scanned: usize,
    /// It must not serve another request.
    close: bool,
    end: HalfClose,
}

/// What the record and the fate of the connections will say.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that arise at different times, each read by its name")]
struct Outcome {
    /// Of the final response, once its head has gone on; else 0.
    status: u16,
    own_answer: bool,
    close_client: bool,
    /// The client would take the end of the connection for the end of the body.
    until_close: bool,
    aborted: bool,
    failure: Option<Failure>,
    bytes_from_client: u64,
    bytes_from_backend: u64,
}

/// Bytes that each side took and gave. Interim responses and a final head that drips in are not counted as
/// given: they buy no time.
#[derive(Debug, Default, Clone, Copy)]
struct Moved {
    client_took: u64,
    client_gave: u64,
    backend_took: u64,
    backend_gave: u64,
}

/// One request and its answer.
#[derive(Debug)]
pub struct Relay {
    to_backend: Lane,
    to_client: Lane,
    request: Request,
    response: Response,
    asked: Asked,
    attempts: u8,
    upstream: Upstream,
    outcome: Outcome,
    /// Of the response.
    head: Head,
    /// The part of a response head that has come.
    partial: Vec<u8>,
    /// What the client sent beyond its request.
    surplus: Vec<u8>,
    /// Field lines that we add to the backend's response.
    own_fields: Vec<u8>,
    moved: Moved,
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
            to_backend: Lane::default(),
            to_client: Lane::default(),
            request: Request::Whole,
            response: Response::Whole,
            asked: Asked::default(),
            attempts: 0,
            upstream: Upstream::default(),
            outcome: Outcome::default(),
            head: Head::new(),
            partial: Vec::new(),
            surplus: Vec::new(),
            own_fields: Vec::new(),
            moved: Moved::default(),
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
    ) -> Result<(), Refusal> {
        self.reset();
        let named = request_head::write_request(head, forwarding, client, request_id, self.to_backend.tail())?;
        let (facts, version) = (head.facts(), head.version());
        // RFC 9112 §9.3: no persistent connections with 1.0 clients, whose keep-alive proxies pass on blindly.
        self.outcome.close_client = facts.close || version == Version::Http10;
        self.request = match facts.framing {
            Framing::None | Framing::Length(0) => Request::Whole,
            Framing::Length(length) => Request::Body(BodyReader::Length(length), BodyWriter::Plain),
            Framing::Chunked => Request::Body(BodyReader::chunked(), BodyWriter::Chunked),
        };
        let has_body = matches!(self.request, Request::Body(..));
        self.asked = Asked {
            method: Some(head.method()),
            version,
            client: Some(named),
            websocket: request_head::wants_websocket(head),
            awaits_continue: has_body && facts.expects_continue && version == Version::Http11,
            pooled: forwarding.pooled,
            end: HalfClose::default(),
        };
        self.response = Response::Head;
        Ok(())
    }

    /// Takes up a CONNECT. Next is a connection to the authority that it named, and then
    /// [`open_tunnel`](Self::open_tunnel), or [`fail`](Self::fail).
    pub fn begin_tunnel(&mut self, client: &ClientAddress) {
        self.reset();
        self.asked = Asked { method: Some(Method::Connect), client: Some(client.peer()), ..Asked::default() };
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
        self.request = Request::Whole;
        self.response = Response::Whole;
        self.asked = Asked::default();
        self.attempts = 0;
        self.upstream = Upstream::default();
        self.outcome = Outcome::default();
        self.moved = Moved::default();
        self.partial.clear();
        self.surplus.clear();
        self.own_fields.clear();
    }

    /// A connection to a backend stands. `reused`: it has served before.
    ///
    /// # Panics
    /// In debug builds, when the last error did not allow a retry ([`may_retry`](Self::may_retry)).
    pub fn attempt(&mut self, reused: bool) {
        self.attempts = self.attempts.saturating_add(1);
        self.upstream = Upstream { reused, ..Upstream::default() };
        self.partial.clear();
        self.to_backend.rewind();
    }

    /// Whether the request may go to another backend after `error` (RFC 9110 §9.2.2): no byte of it was
    /// sent; or it is idempotent, nothing of a response has come, and all that was sent is still here.
    pub fn may_retry(&self, error: &ProxyError) -> bool {
        let untouched =
            matches!(self.response, Response::Head) && !self.upstream.answered && self.to_backend.is_replayable();
        let transient = match error.kind {
            Kind::Connect => true,
            Kind::Timeout => error.phase == Phase::Connect,
            Kind::Closed | Kind::Reset => !self.upstream.sent || self.asked.method.is_some_and(Method::is_idempotent),
            Kind::Refused(_) | Kind::Unavailable | Kind::Exhausted => false,
        };
        error.side == Side::Backend && untouched && transient
    }

    /// What policies may ask of this request; `None` before `begin`.
    pub fn ask(&self) -> Option<Ask> {
        self.asked.method.zip(self.asked.client).map(|(method, client)| Ask { method, client })
    }

    /// Adds a field to the head of the backend's final response, such as a cookie that names the backend. Fields of
    /// our own answers go with [`answer`](Self::answer). `name` and `value` are ours: nothing in them is checked.
    pub fn add_to_response(&mut self, name: &str, value: &str) {
        put_field(&mut self.own_fields, name.as_bytes(), value.as_bytes());
    }

    /// Takes back what [`add_to_response`](Self::add_to_response) added: another backend is asked.
    pub fn forget_added_fields(&mut self) {
        self.own_fields.clear();
    }

    /// This response is to be the last on its connection: the process is draining. Does nothing once the
    /// response's head has gone on, nor while requests are held that the client sent ahead: they were on
    /// their way before it could know, so the last of them closes.
    pub fn close_after(&mut self) {
        if self.outcome.status == 0 && self.surplus.is_empty() {
            self.outcome.close_client = true;
        }
    }
}
