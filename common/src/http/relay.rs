//! One request and its answer, as a machine that never waits.
//!
//! A relay is fed what the sockets gave ([`from_client`](Relay::from_client), [`from_backend`](Relay::from_backend))
//! and says what it wants next ([`wants`](Relay::wants)); what each socket is owed stands in a lane. It has
//! no socket and no clock, so the rules on early answers, retries, half-close and truncation stand here
//! once, for threads, for the event loop and for `async`. Box it and use it again: its lanes keep their memory.
//!
//! Order of calls: `begin`, then per attempt `attempt` and any number of pumps, `fail` or `answer` where the
//! exchange cannot go on, `end` once when [`pump`](super::pump) says `Done`.

use std::{io, net::IpAddr, time::SystemTime};

use super::{
    answer,
    body::{BodyReader, BodyWriter},
    error::{Kind, Phase, ProxyError, Side},
    exchange::{AfterBackend, AfterClient, Ask, Exchange, Failure, Method, Times},
    facts::Framing,
    forward::{self, ClientAddress, Ending, Forwarding},
    head::{Head, HeadView, Version},
    lane::Lane,
    refusal::Refusal,
    wants::{Deadline, Interest, Wants},
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

/// What a tunnel's ends have said and been told.
#[derive(Debug, Clone, Copy, Default)]
struct HalfClose {
    seen: bool,
    passed_on: bool,
}

/// One request and its answer.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that arise at different times, each read by its name")]
pub struct Relay {
    to_backend: Lane,
    to_client: Lane,
    request: Request,
    response: Response,

    // The request, as far as it matters after its head is gone.
    begun: bool,
    method: Method,
    version: Version,
    client: Option<IpAddr>,
    websocket: bool,
    /// `Expect: 100-continue`, and neither a response nor a byte of the body has come.
    awaits_continue: bool,
    pooled: bool,

    // This attempt.
    attempts: u8,
    reused: bool,
    sent: bool,
    answered: bool,
    upload_failed: Option<io::Error>,
    head: Head,
    partial: Vec<u8>,
    scanned: usize,

    // The outcome.
    status: u16,
    own_answer: bool,
    close_client: bool,
    close_backend: bool,
    /// The client would take the end of the connection for the end of the body.
    until_close: bool,
    aborted: bool,
    failure: Option<Failure>,
    client_end: HalfClose,
    backend_end: HalfClose,

    surplus: Vec<u8>,
    bulk_from: Option<u64>,
    bytes_from_client: u64,
    bytes_from_backend: u64,
    progress: u64,
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
            begun: false,
            method: Method::Get,
            version: Version::Http11,
            client: None,
            websocket: false,
            awaits_continue: false,
            pooled: false,
            attempts: 0,
            reused: false,
            sent: false,
            answered: false,
            upload_failed: None,
            head: Head::new(),
            partial: Vec::new(),
            scanned: 0,
            status: 0,
            own_answer: false,
            close_client: false,
            close_backend: false,
            until_close: false,
            aborted: false,
            failure: None,
            client_end: HalfClose::default(),
            backend_end: HalfClose::default(),
            surplus: Vec::new(),
            bulk_from: None,
            bytes_from_client: 0,
            bytes_from_backend: 0,
            progress: 0,
        }
    }

    /// Bodies that go on as they came, with at least `bytes` left, are offered as
    /// [`Pumped::Bulk`](super::Pumped::Bulk). Without this call, none is.
    pub fn offer_bulk(&mut self, at_least: u64) {
        self.bulk_from = Some(at_least);
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
        let named = forward::write_request(head, forwarding, client, request_id, self.to_backend.tail())?;
        self.begun = true;
        self.method = head.method();
        self.version = head.version();
        self.client = Some(named);
        self.websocket = forward::wants_websocket(head);
        self.pooled = forwarding.pooled;
        let facts = head.facts();
        // RFC 9112 §9.3: no persistent connections with 1.0 clients, whose keep-alive proxies pass on blindly.
        self.close_client = facts.close || self.version == Version::Http10;
        self.request = match facts.framing {
            Framing::None | Framing::Length(0) => Request::Whole,
            Framing::Length(length) => Request::Body(BodyReader::Length(length), BodyWriter::Plain),
            Framing::Chunked => Request::Body(BodyReader::chunked(), BodyWriter::Chunked),
        };
        self.awaits_continue =
            facts.expects_continue && self.version == Version::Http11 && matches!(self.request, Request::Body(..));
        self.response = Response::Head;
        Ok(())
    }

    fn reset(&mut self) {
        self.to_backend.reset(true);
        self.to_client.reset(false);
        self.request = Request::Whole;
        self.response = Response::Whole;
        self.begun = false;
        self.method = Method::Get;
        self.version = Version::Http11;
        self.client = None;
        self.websocket = false;
        self.awaits_continue = false;
        self.attempts = 0;
        self.start_attempt(false);
        self.status = 0;
        self.own_answer = false;
        self.close_client = false;
        self.until_close = false;
        self.aborted = false;
        self.failure = None;
        self.client_end = HalfClose::default();
        self.bytes_from_client = 0;
        self.bytes_from_backend = 0;
    }

    fn start_attempt(&mut self, reused: bool) {
        self.reused = reused;
        self.sent = false;
        self.answered = false;
        self.upload_failed = None;
        self.partial.clear();
        self.scanned = 0;
        self.close_backend = false;
        self.backend_end = HalfClose::default();
    }

    /// A connection to a backend stands. `reused`: it has served before.
    ///
    /// # Panics
    /// In debug builds, when the last error did not allow a retry ([`may_retry`](Self::may_retry)).
    pub fn attempt(&mut self, reused: bool) {
        self.attempts = self.attempts.saturating_add(1);
        self.start_attempt(reused);
        self.to_backend.rewind();
    }

    /// Whether the request may go to another backend after `error` (RFC 9110 §9.2.2): no byte of it was
    /// sent; or it is idempotent, nothing of a response has come, and all that was sent is still here.
    pub fn may_retry(&self, error: &ProxyError) -> bool {
        let untouched = matches!(self.response, Response::Head) && !self.answered && self.to_backend.is_replayable();
        let transient = match error.kind {
            Kind::Connect => true,
            Kind::Timeout => error.phase == Phase::Connect,
            Kind::Closed | Kind::Reset => !self.sent || self.method.is_idempotent(),
            Kind::Refused(_) | Kind::Unavailable | Kind::Exhausted => false,
        };
        error.side == Side::Backend && untouched && transient
    }

    /// What policies may ask of this request; `None` before `begin`.
    pub fn ask(&self) -> Option<Ask> {
        self.client.map(|client| Ask { method: self.method, client })
    }

    /// This response is to be the last on its connection: the process is draining. Does nothing once the
    /// response's head has gone on.
    pub fn close_after(&mut self) {
        if self.status == 0 {
            self.close_client = true;
        }
    }

    /// How many bytes have moved, in all directions, since the relay was made. A deadline starts again
    /// when this has grown.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// How far the exchange is.
    pub fn phase(&self) -> Phase {
        match (self.response, self.request) {
            (Response::Tunnel, _) => Phase::Tunnel,
            (Response::Body(..) | Response::Whole | Response::Broken, _) => Phase::Response,
            (Response::Head, Request::Body(..)) => Phase::Request,
            (Response::Head, _) if !self.to_backend.is_empty() => Phase::Request,
            (Response::Head, _) => Phase::FirstByte,
        }
    }

    /// Which sides to read and to write, and which deadline runs.
    ///
    /// A side is read only while the other is owed nothing: that is all the back-pressure there is, and
    /// it bounds a lane to one read buffer.
    pub fn wants(&self) -> Wants {
        let tunnel = matches!(self.response, Response::Tunnel);
        let running = matches!(self.response, Response::Head | Response::Body(..) | Response::Tunnel);
        let uploading = running && self.upload_failed.is_none();
        let more_from_client =
            if tunnel { !self.client_end.seen } else { matches!(self.request, Request::Body(..)) && uploading };
        Wants {
            client: Interest {
                read: more_from_client && self.to_backend.is_empty(),
                write: !self.to_client.is_empty(),
            },
            backend: Interest {
                read: running && !self.backend_end.seen && self.to_client.is_empty(),
                write: uploading && !self.to_backend.is_empty(),
            },
            deadline: self.deadline(),
        }
    }

    fn deadline(&self) -> Deadline {
        match self.response {
            Response::Tunnel => Deadline::Tunnel,
            _ if !self.to_client.is_empty() => Deadline::Client,
            Response::Body(..) => Deadline::Stream,
            Response::Head if self.upload_failed.is_some() => Deadline::FirstByte,
            Response::Head if !self.to_backend.is_empty() => Deadline::Backend,
            Response::Head if matches!(self.request, Request::Body(..)) && !self.awaits_continue => Deadline::Client,
            Response::Head => Deadline::FirstByte,
            Response::Whole | Response::Broken => Deadline::Client,
        }
    }

    /// The error for a deadline that has passed.
    pub fn timed_out(&self) -> ProxyError {
        let side = match self.deadline() {
            Deadline::Client => Side::Client,
            Deadline::Backend | Deadline::FirstByte | Deadline::Stream | Deadline::Tunnel => Side::Backend,
        };
        ProxyError::new(Kind::Timeout, side, self.phase())
    }

    /// Takes what the client's socket gave. Bytes beyond the request are not consumed: they are the next
    /// request's, to be kept by [`keep_surplus`](Self::keep_surplus).
    ///
    /// # Errors
    /// The body is malformed or breaks off, or the client is gone.
    pub fn from_client(&mut self, input: Input<'_>) -> Result<usize, ProxyError> {
        let bytes = match input {
            Input::Bytes(bytes) => bytes,
            Input::Eof => return self.client_ended().map(|()| 0),
            Input::Reset => return Err(self.client_error(Kind::Reset)),
        };
        self.progress += bytes.len() as u64;
        if matches!(self.response, Response::Tunnel) {
            self.to_backend.tail().extend_from_slice(bytes);
            self.bytes_from_client += bytes.len() as u64;
            return Ok(bytes.len());
        }
        let phase = self.phase();
        let Request::Body(reader, writer) = &mut self.request else { return Ok(0) };
        if self.sent {
            self.to_backend.drain_from_now_on();
        }
        let relayed = reader
            .relay(bytes, *writer, self.to_backend.tail())
            .map_err(|refusal| ProxyError::refused_request(refusal, phase))?;
        self.bytes_from_client += relayed.data;
        self.awaits_continue &= relayed.consumed == 0;
        if relayed.ended {
            self.request = Request::Whole;
        }
        Ok(relayed.consumed)
    }

    fn client_ended(&mut self) -> Result<(), ProxyError> {
        self.client_end.seen = true;
        let tunnel = matches!(self.response, Response::Tunnel);
        // A FIN after a whole request is a half-close: the client still reads.
        if matches!(self.request, Request::Body(..)) && !tunnel { Err(self.client_error(Kind::Closed)) } else { Ok(()) }
    }

    /// Takes what the backend's socket gave. Bytes that are not consumed belong to no response: a
    /// connection that sent them must not be pooled ([`end`](Self::end) sees to it).
    ///
    /// # Errors
    /// The response is malformed or breaks off.
    pub fn from_backend(&mut self, input: Input<'_>) -> Result<usize, ProxyError> {
        let bytes = match input {
            Input::Bytes(bytes) => bytes,
            Input::Eof => return self.backend_ended().map(|()| 0),
            Input::Reset => return Err(self.backend_error(Kind::Reset)),
        };
        if !matches!(self.response, Response::Head) {
            // Interim responses and a head that drips in buy no time: the final head has one deadline.
            self.progress += bytes.len() as u64;
        }
        self.answered = true;
        self.awaits_continue = false;
        self.to_backend.drain_from_now_on();
        let mut consumed = 0;
        while matches!(self.response, Response::Head) && consumed < bytes.len() {
            consumed +=
                self.response_head(&bytes[consumed..]).map_err(|refusal| self.backend_error(Kind::Refused(refusal)))?;
        }
        let rest = &bytes[consumed..];
        consumed += self.response_body(rest).map_err(|refusal| self.backend_error(Kind::Refused(refusal)))?;
        self.close_backend |= consumed < bytes.len();
        Ok(consumed)
    }

    fn response_body(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match &mut self.response {
            Response::Body(reader, writer) if !bytes.is_empty() => {
                let relayed = reader.relay(bytes, *writer, self.to_client.tail())?;
                self.bytes_from_backend += relayed.data;
                if relayed.ended {
                    self.response = Response::Whole;
                }
                Ok(relayed.consumed)
            }
            Response::Tunnel => {
                self.to_client.tail().extend_from_slice(bytes);
                self.bytes_from_backend += bytes.len() as u64;
                Ok(bytes.len())
            }
            _ => Ok(0),
        }
    }

    fn backend_ended(&mut self) -> Result<(), ProxyError> {
        self.backend_end.seen = true;
        self.close_backend = true;
        match self.response {
            Response::Body(BodyReader::UntilClose, writer) => {
                writer.end(self.to_client.tail());
                self.response = Response::Whole;
                Ok(())
            }
            Response::Head | Response::Body(..) => Err(self.backend_error(Kind::Closed)),
            Response::Whole | Response::Tunnel | Response::Broken => Ok(()),
        }
    }

    /// Reads a head out of `input`, or keeps the part of one. Gives how many bytes were taken.
    fn response_head(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        if self.partial.is_empty() {
            let Some(length) = self.head.read_response(input, &mut self.scanned)? else {
                self.partial.extend_from_slice(input);
                return Ok(input.len());
            };
            self.scanned = 0;
            self.on_head(&input[..length])?;
            return Ok(length);
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(input);
        let Some(length) = self.head.read_response(&self.partial, &mut self.scanned)? else { return Ok(input.len()) };
        self.scanned = 0;
        let partial = std::mem::take(&mut self.partial); // freed with the head
        self.on_head(&partial[..length])?;
        Ok(length - before)
    }

    fn on_head(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let status = self.head.view(bytes).status();
        match status {
            101 => self.switch(bytes),
            100..200 => {
                if self.version == Version::Http11 {
                    forward::write_response(
                        self.head.view(bytes),
                        Framing::None,
                        Ending::KeepAlive,
                        self.to_client.tail(),
                    );
                }
                Ok(())
            }
            _ => {
                self.on_final_head(bytes, status);
                Ok(())
            }
        }
    }

    /// 101: from here on bytes are bytes (RFC 9110 §7.8). Only here: not when it was asked for.
    fn switch(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let head = self.head.view(bytes);
        if !self.websocket || !head.facts().asks_for_websocket(head.version()) {
            return Err(Refusal::UnexpectedUpgrade);
        }
        forward::write_response(head, Framing::None, Ending::Upgrade, self.to_client.tail());
        self.status = 101;
        self.close_client = true;
        self.close_backend = true;
        self.response = Response::Tunnel;
        // What the client sent ahead was held back as the next request. It is the tunnel's.
        self.to_backend.tail().append(&mut self.surplus);
        if self.upload_failed.is_some() {
            self.give_up_upstream();
        }
        Ok(())
    }

    fn on_final_head(&mut self, bytes: &[u8], status: u16) {
        let head = self.head.view(bytes);
        let (facts, http11) = (*head.facts(), self.version == Version::Http11);
        let bodiless = self.method == Method::Head || matches!(status, 204 | 304);
        let came = if status == 204 { Framing::None } else { facts.framing };
        let goes = match came {
            Framing::Chunked if !http11 => Framing::None,
            Framing::None if http11 && !bodiless => Framing::Chunked,
            came => came,
        };
        // A request still on its way when it is answered may never end; so the connection does.
        self.close_client |= !matches!(self.request, Request::Whole);
        let stray = status == 204 && !matches!(facts.framing, Framing::None | Framing::Length(0)); // its body may yet come
        self.close_backend |= stray || facts.close || head.version() == Version::Http10 && !facts.keep_alive;
        self.status = status;
        let ending = if self.close_client { Ending::Close } else { Ending::KeepAlive };
        forward::write_response(head, goes, ending, self.to_client.tail());
        let writer = if goes == Framing::Chunked { BodyWriter::Chunked } else { BodyWriter::Plain };
        self.response = match came {
            _ if bodiless => Response::Whole,
            Framing::Length(0) => Response::Whole,
            Framing::Length(length) => Response::Body(BodyReader::Length(length), writer),
            Framing::Chunked => Response::Body(BodyReader::chunked(), writer),
            Framing::None => Response::Body(BodyReader::UntilClose, writer),
        };
        self.until_close = goes == Framing::None && matches!(self.response, Response::Body(..));
    }

    /// `splice` moved `bytes` of a body past the machine, after [`Pumped::Bulk`](super::Pumped::Bulk) offered them.
    pub fn moved(&mut self, from: Side, bytes: u64) {
        self.progress += bytes;
        if from == Side::Client {
            self.bytes_from_client += bytes;
            self.to_backend.drain_from_now_on(); // what went past it cannot be replayed
            if let Request::Body(BodyReader::Length(left), _) = &mut self.request {
                *left = left.saturating_sub(bytes);
                if *left == 0 {
                    self.request = Request::Whole;
                }
            }
        } else {
            self.bytes_from_backend += bytes;
            if let Response::Body(BodyReader::Length(left), _) = &mut self.response {
                *left = left.saturating_sub(bytes);
                if *left == 0 {
                    self.response = Response::Whole;
                }
            }
        }
    }

    /// A body that could be moved past the machine now: whose, and how much (`None`: until the end).
    pub(super) fn bulk(&self) -> Option<(Side, Option<u64>)> {
        let at_least = self.bulk_from?;
        let wants = self.wants();
        let (side, reader) = match (&self.response, &self.request) {
            (Response::Body(reader, BodyWriter::Plain), _) if wants.backend.read => (Side::Backend, reader),
            (Response::Head, Request::Body(reader, BodyWriter::Plain)) if wants.client.read && self.sent => {
                (Side::Client, reader)
            }
            _ => return None,
        };
        match reader {
            BodyReader::Length(left) if *left >= at_least => Some((side, Some(*left))),
            BodyReader::UntilClose => Some((side, None)),
            _ => None,
        }
    }

    /// Answers in the backend's place. The connection stays open only if the whole request was read.
    ///
    /// # Panics
    /// In debug builds, when a final response has begun.
    pub fn answer(&mut self, status: u16, now: SystemTime, fields: &[(&str, &str)]) {
        debug_assert!(self.status == 0, "a request has one final response");
        self.close_client |= !self.begun || !matches!(self.request, Request::Whole);
        answer::write(self.to_client.tail(), status, now, fields, self.close_client, self.method == Method::Head);
        self.status = status;
        self.own_answer = true;
        self.stop(Response::Whole);
    }

    /// Ends an exchange that cannot go on: with our own answer while none has begun; else what has come
    /// is delivered and the connection closed, so that the client sees the message break off.
    pub fn fail(&mut self, error: &ProxyError, now: SystemTime) {
        self.failure = Some(error.into());
        let client_is_gone = error.side == Side::Client
            && (error.kind == Kind::Reset || error.kind == Kind::Timeout && !self.to_client.is_empty());
        if client_is_gone {
            self.aborted = true;
            self.to_client.reset(false);
            self.stop(Response::Broken);
        } else if self.status == 0 {
            self.answer(error.status(), now, &[]);
        } else {
            self.aborted = self.until_close;
            self.stop(Response::Broken);
        }
    }

    /// Answers what could not be taken up as a request at all, and gives up the connection.
    pub fn reject(&mut self, error: &ProxyError, now: SystemTime) {
        self.reset();
        self.fail(error, now);
    }

    fn stop(&mut self, response: Response) {
        if !matches!(self.request, Request::Whole) {
            self.request = Request::Abandoned;
        }
        self.response = response;
        self.to_backend.reset(false);
        self.close_backend = true;
    }

    /// Closes the books.
    pub fn end(&mut self) -> (Exchange, AfterClient, AfterBackend) {
        let broken = matches!(self.response, Response::Broken);
        let whole = matches!(self.request, Request::Whole);
        let client = if self.aborted {
            AfterClient::Abort
        } else if broken || self.close_client || !whole {
            AfterClient::Linger
        } else {
            AfterClient::KeepAlive
        };
        let clean = !broken && whole && self.to_backend.is_empty() && self.upload_failed.is_none();
        let backend =
            if clean && self.pooled && !self.close_backend { AfterBackend::Pool } else { AfterBackend::Close };
        let exchange = Exchange {
            method: self.begun.then_some(self.method),
            status: if self.status == 0 { 499 } else { self.status },
            backend: None,
            reused: self.reused,
            retries: self.attempts.saturating_sub(1),
            own_answer: self.own_answer,
            bytes_from_client: self.bytes_from_client,
            bytes_from_backend: self.bytes_from_backend,
            times: Times::default(),
            failure: self.failure,
        };
        (exchange, client, backend)
    }

    /// Keeps bytes that the client sent beyond its request.
    pub fn keep_surplus(&mut self, bytes: &[u8]) {
        self.surplus.extend_from_slice(bytes);
    }

    /// Hands over what was kept: the beginning of the next request.
    pub fn take_surplus(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.surplus)
    }

    /// Bytes owed to a side.
    pub(super) fn owed(&self, to: Side) -> &[u8] {
        if to == Side::Client { self.to_client.owed() } else { self.to_backend.owed() }
    }

    /// A side took `n` of the bytes it was owed.
    pub(super) fn sent(&mut self, to: Side, n: usize) {
        self.progress += n as u64;
        if to == Side::Client {
            self.to_client.sent(n);
        } else {
            self.sent |= n > 0;
            self.to_backend.sent(n);
        }
    }

    /// A side took nothing and will take nothing. The client is gone then; but a backend that stopped
    /// reading may have answered, and its answer is still to be read.
    pub(super) fn write_failed(&mut self, to: Side, error: io::Error) -> Result<(), ProxyError> {
        if to == Side::Client {
            return Err(self.client_error(Kind::Reset).with_source(error));
        }
        self.upload_failed = Some(error);
        if matches!(self.response, Response::Tunnel) {
            self.give_up_upstream();
        }
        Ok(())
    }

    /// The backend's end of a tunnel takes no more. What it has said is still delivered; then it is over.
    fn give_up_upstream(&mut self) {
        self.failure = Some(Failure { kind: Kind::Reset, side: Side::Backend, phase: Phase::Tunnel });
        self.to_backend.reset(false);
        self.client_end = HalfClose { seen: true, passed_on: true };
    }

    /// The side that is to be told now that the other will send no more (tunnels only).
    pub(super) fn pass_on_end(&mut self) -> Option<Side> {
        if !matches!(self.response, Response::Tunnel) {
            return None;
        }
        let due = |end: &mut HalfClose, lane: &Lane| {
            let now = end.seen && !end.passed_on && lane.is_empty();
            end.passed_on |= now;
            now
        };
        if due(&mut self.client_end, &self.to_backend) {
            Some(Side::Backend)
        } else if due(&mut self.backend_end, &self.to_client) {
            Some(Side::Client)
        } else {
            None
        }
    }

    /// Nothing is left to do but [`end`](Self::end).
    pub(super) fn is_done(&self) -> bool {
        match self.response {
            Response::Whole | Response::Broken => self.to_client.is_empty(),
            Response::Tunnel => self.client_end.passed_on && self.backend_end.passed_on,
            Response::Head | Response::Body(..) => false,
        }
    }

    fn client_error(&self, kind: Kind) -> ProxyError {
        ProxyError::new(kind, Side::Client, self.phase())
    }

    fn backend_error(&self, kind: Kind) -> ProxyError {
        ProxyError::new(kind, Side::Backend, self.phase())
    }
}
