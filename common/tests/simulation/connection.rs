//! One client connection around `pump`: the client, the backends, and the event loop between them, tick by tick.
//!
//! Within a tick only the relay acts, so a pump that waits for a socket which is already ready is detected. The random
//! generator decides between ticks how many bytes each peer sends and reads, which peer stalls, and which deadline
//! fires.

use std::{
    io::{self, IoSlice},
    time::SystemTime,
};

use common::http::{
    AfterBackend, AfterClient, Exchange, FailureKind, Head, Input, Phase, ProxyError, Pumped, Relay, Side, Wire, pump,
};

use super::{
    invariants,
    scenario::{RespondWhen, Scenario, ScriptedResponse},
};
use crate::support::{
    exchange::{REQUEST_ID, SCRATCH_BYTES, client_address, date, forwarding},
    memory_stream::{MemoryStream, StreamEnd},
    rng::Rng,
    strict_parser,
};

/// After this many ticks without progress a deadline fires.
const DEADLINE_AFTER_IDLE_TICKS: usize = 40;
/// More ticks than the longest exchange takes.
const MAX_TICKS: usize = 100_000;

/// One attempt: the connection to a backend, and the response that the backend sends.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) stream: MemoryStream,
    pub(crate) response: ScriptedResponse,
    pub(crate) responding: bool,
    /// Bytes sent so far, of the response and then of the tunnel.
    pub(crate) sent_bytes: usize,
    /// The last parse of the request: the number of its bytes, and whether it was complete.
    read: (usize, bool),
}

/// The result of an exchange, for the invariants.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exchange: Exchange,
    pub(crate) after_client: AfterClient,
    pub(crate) after_backend: AfterBackend,
    pub(crate) attempts: Vec<Attempt>,
    /// Where the response begins in the bytes sent to the client.
    pub(crate) response_offset: usize,
    /// A fault was injected from which no balancer can recover.
    pub(crate) has_fault: bool,
    /// Bytes of the client that this and earlier requests have consumed; pipelined bytes are not among them.
    pub(crate) consumed: usize,
    pub(crate) deadlines: usize,
}

/// How often each kind of outcome occurred.
#[derive(Debug, Default)]
pub(crate) struct OutcomeCounts {
    pub(crate) complete: usize,
    pub(crate) truncated: usize,
    pub(crate) retried: usize,
    pub(crate) pooled: usize,
    pub(crate) aborted: usize,
    pub(crate) lingered: usize,
    pub(crate) local_replies: usize,
    pub(crate) tunnels: usize,
    pub(crate) early: usize,
    pub(crate) deadlines: usize,
}

impl OutcomeCounts {
    fn note(&mut self, outcome: &Outcome, complete: bool) {
        let relayed = !outcome.exchange.local_reply;
        let succeeded = outcome.exchange.failure.is_none();
        self.complete += usize::from(complete && relayed);
        self.truncated += usize::from(!complete && relayed);
        self.retried += usize::from(outcome.exchange.retries > 0 && relayed);
        self.pooled += usize::from(outcome.after_backend == AfterBackend::Pool);
        self.aborted += usize::from(outcome.after_client == AfterClient::Abort);
        self.lingered += usize::from(outcome.after_client == AfterClient::Linger);
        self.local_replies += usize::from(!relayed);
        self.tunnels += usize::from(outcome.exchange.status == 101 && succeeded);
        let half_sent = outcome.attempts.last().is_some_and(|last| !last.read.1);
        self.early += usize::from(succeeded && relayed && half_sent);
        self.deadlines += outcome.deadlines;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let all = [
            (&mut self.complete, other.complete),
            (&mut self.truncated, other.truncated),
            (&mut self.retried, other.retried),
            (&mut self.pooled, other.pooled),
            (&mut self.aborted, other.aborted),
            (&mut self.lingered, other.lingered),
            (&mut self.local_replies, other.local_replies),
            (&mut self.tunnels, other.tunnels),
            (&mut self.early, other.early),
            (&mut self.deadlines, other.deadlines),
        ];
        for (sum, more) in all {
            *sum += more;
        }
    }

    pub(crate) fn least(&self) -> usize {
        let all = [
            self.complete,
            self.truncated,
            self.retried,
            self.pooled,
            self.aborted,
            self.lingered,
            self.local_replies,
            self.tunnels,
            self.early,
            self.deadlines,
        ];
        all.into_iter().min().unwrap_or(0)
    }
}

enum BackendStream<'a> {
    Connected(&'a mut MemoryStream),
    NotConnected,
}

impl Wire for BackendStream<'_> {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Connected(stream) => stream.recv(into),
            Self::NotConnected => panic!("read without a backend connection"),
        }
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Connected(stream) => stream.send(from),
            Self::NotConnected => panic!("wrote without a backend connection"),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Connected(stream) => stream.shutdown_write(),
            Self::NotConnected => panic!("shut down without a backend connection"),
        }
    }
}

/// A client's connection, from its first byte to its close.
pub(crate) struct SimulatedConnection {
    pub(crate) scenario: Scenario,
    pub(crate) rng: Rng,
    pub(crate) client: MemoryStream,
    client_bytes: Vec<u8>,
    sent_bytes: usize,
    buffer: Vec<u8>,
    relay: Relay,
    scratch: Vec<u8>,
    pub(crate) trace: Vec<String>,
    /// The outcomes so far: the test asserts that each kind occurs.
    pub(crate) counts: OutcomeCounts,
}

impl SimulatedConnection {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let scenario = Scenario::new(&mut rng);
        let mut client_bytes: Vec<u8> = scenario.requests.iter().flat_map(|request| request.bytes.clone()).collect();
        client_bytes.truncate(scenario.sends_bytes);
        Self {
            scenario,
            rng,
            client: MemoryStream::default(),
            client_bytes,
            sent_bytes: 0,
            buffer: Vec::new(),
            relay: Relay::new(),
            scratch: vec![0; SCRATCH_BYTES],
            trace: Vec::new(),
            counts: OutcomeCounts::default(),
        }
    }

    /// Runs the connection until it closes.
    pub(crate) fn run(&mut self) {
        let mut head = Head::new();
        for at in 0..self.scenario.requests.len() {
            let Some(length) = self.read_head(&mut head, at) else { return };
            let outcome = self.exchange(&head, length, at);
            let complete = invariants::check(self, at, &outcome);
            self.counts.note(&outcome, complete);
            if outcome.after_client != AfterClient::KeepAlive {
                return;
            }
            self.buffer = self.relay.take_pipelined();
        }
    }

    /// Reads the next request head. `None`: the connection ends before a complete head.
    fn read_head(&mut self, head: &mut Head, at: usize) -> Option<usize> {
        let mut scanned = 0;
        for _ in 0..MAX_TICKS {
            let found = head.read_request(&self.buffer, &mut scanned);
            if let Some(length) = found.unwrap_or_else(|refusal| panic!("a valid head is rejected: {refusal}")) {
                assert_eq!(length, self.scenario.requests[at].head_length, "the length of the head");
                return Some(length);
            }
            self.step_client(at, false);
            match self.client.recv(&mut self.scratch) {
                Ok(0) => return None,
                Ok(n) => self.buffer.extend_from_slice(&self.scratch[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.sent_bytes == self.client_bytes.len()
                        && self.scenario.end.is_none()
                        && self.client.input.is_empty()
                    {
                        return None; // a server closes such a connection by its header timeout
                    }
                }
                Err(_) => return None,
            }
        }
        panic!("the client's connection never ends")
    }

    fn exchange(&mut self, head: &Head, length: usize, at: usize) -> Outcome {
        let forwarding = forwarding(self.scenario.pooled);
        let address = client_address(&forwarding);
        let response_offset = self.client.sent.len();
        let mut bytes = std::mem::take(&mut self.buffer);
        self.relay.begin(head.view(&bytes[..length]), &forwarding, &address, REQUEST_ID).expect("no loop");
        let rest = bytes.split_off(length);
        let mut attempts = Vec::new();
        let (mut error, mut deadlines) = (None, 0);
        if !rest.is_empty() {
            match self.relay.from_client(Input::Bytes(&rest)) {
                Ok(used) => self.relay.push_pipelined(&rest[used..]),
                Err(refused) => error = Some(refused),
            }
        }
        let mut has_fault = error.is_some();
        if error.is_none() {
            error = self.connect(&mut attempts, at);
        }
        let mut failures = 0;
        loop {
            if let Some(error) = error.take() {
                self.trace.push(format!("error: {error}"));
                if self.retries(&error, &attempts, at) {
                    let again = self.connect(&mut attempts, at);
                    if let Some(again) = again {
                        self.relay.fail(&again, SystemTime::UNIX_EPOCH);
                    }
                } else {
                    failures += 1;
                    assert!(failures < 4, "fails endlessly");
                    self.relay.fail(&error, SystemTime::UNIX_EPOCH);
                    has_fault = true;
                }
            }
            let up = failures == 0 && attempts.last().is_some_and(|attempt: &Attempt| attempt.response.connects);
            match self.pump_until_end(&mut attempts, at, up, &mut deadlines) {
                Ok(()) => break,
                Err(failed) => error = Some(failed),
            }
        }
        let (exchange, after_client, after_backend) = self.relay.end();
        self.trace.push(format!("end: {exchange:?} {after_client:?} {after_backend:?}"));
        let pipelined = self.relay.take_pipelined();
        let consumed = self.client.bytes_read - pipelined.len();
        self.relay.push_pipelined(&pipelined);
        Outcome { exchange, after_client, after_backend, attempts, response_offset, has_fault, consumed, deadlines }
    }

    /// Whether the request is retried. Asserts that the relay permits a retry when it is safe, and only then.
    fn retries(&mut self, error: &ProxyError, attempts: &[Attempt], at: usize) -> bool {
        let Some(last) = attempts.last() else { return false };
        let request = &self.scenario.requests[at];
        let may = self.relay.may_retry(error);
        let from_backend = error.side == Side::Backend
            && matches!(error.kind, FailureKind::Connect | FailureKind::IncompleteMessage | FailureKind::Reset);
        let nothing_sent = last.stream.sent.is_empty();
        let nothing_came = last.stream.bytes_read == 0;
        if may {
            assert!(from_backend && nothing_came, "may retry after {error}");
            assert!(nothing_sent || request.is_idempotent(), "may send a {} twice", request.method);
        } else if from_backend && nothing_came && (nothing_sent || request.is_idempotent()) {
            let only_a_head = request.bytes.len() == request.head_length;
            assert!(!only_a_head, "should retry after {error}");
        }
        may && attempts.len() < 3
    }

    fn connect(&mut self, attempts: &mut Vec<Attempt>, at: usize) -> Option<ProxyError> {
        let response = ScriptedResponse::new(&mut self.rng, &self.scenario.requests[at]);
        let connects = response.connects;
        self.trace.push(format!("attempt: {:?} {:?} {:?}", response.when, response.frame, response.end));
        attempts.push(Attempt {
            stream: MemoryStream::default(),
            response,
            responding: false,
            sent_bytes: 0,
            read: (0, false),
        });
        if connects {
            self.relay.attempt(self.rng.one_in(2));
            return None;
        }
        Some(ProxyError::new(FailureKind::Connect, Side::Backend, Phase::Connect))
    }

    /// Steps the peers and pumps, until the exchange ends or fails.
    fn pump_until_end(
        &mut self,
        attempts: &mut [Attempt],
        at: usize,
        up: bool,
        deadlines: &mut usize,
    ) -> Result<(), ProxyError> {
        let mut idle = 0;
        for _ in 0..MAX_TICKS {
            let mut attempt = attempts.last_mut().filter(|_| up);
            let tunnel = attempt.as_ref().is_some_and(|attempt| attempt.switched());
            let before =
                (self.bytes(attempt.as_deref()), self.sent_bytes, attempt.as_ref().map(|attempt| attempt.sent_bytes));
            self.step_client(at, tunnel);
            if let Some(attempt) = &mut attempt {
                step_backend(&mut self.rng, attempt);
            }
            if self.pump_once(attempt.as_deref_mut())? {
                return Ok(());
            }
            let after =
                (self.bytes(attempt.as_deref()), self.sent_bytes, attempt.as_ref().map(|attempt| attempt.sent_bytes));
            // An event loop reports a client's reset even while the relay does not read from the client.
            if self.client.broken_pipe && self.client.input.is_empty() && self.rng.one_in(8) {
                self.relay.from_client(Input::Reset)?;
                panic!("the relay accepted a reset");
            }
            idle = if before == after { idle + 1 } else { 0 };
            if idle > DEADLINE_AFTER_IDLE_TICKS || self.rng.one_in(self.scenario.deadline_one_in) {
                *deadlines += 1;
                return Err(self.relay.timeout_error());
            }
        }
        panic!("the exchange never ends")
    }

    /// How many bytes the sockets have received and sent.
    fn bytes(&self, attempt: Option<&Attempt>) -> usize {
        let backend = attempt.map_or(0, |attempt| attempt.stream.bytes_read + attempt.stream.sent.len());
        self.client.bytes_read + self.client.sent.len() + backend
    }

    /// Pumps until it waits. Returns whether the exchange is done.
    fn pump_once(&mut self, attempt: Option<&mut Attempt>) -> Result<bool, ProxyError> {
        let mut backend =
            attempt.map_or(BackendStream::NotConnected, |attempt| BackendStream::Connected(&mut attempt.stream));
        loop {
            let moved = |link: &BackendStream<'_>| {
                if let BackendStream::Connected(stream) = link { stream.bytes_read + stream.sent.len() } else { 0 }
            };
            let before = self.client.bytes_read + self.client.sent.len() + moved(&backend);
            match pump(&mut self.relay, &mut self.client, &mut backend, &mut self.scratch, date)? {
                Pumped::Done => return Ok(true),
                Pumped::Yield => {
                    assert_ne!(
                        self.client.bytes_read + self.client.sent.len() + moved(&backend),
                        before,
                        "yields without progress"
                    );
                }
                Pumped::Wait(wants) => {
                    assert_eq!(wants, self.relay.wants());
                    let (client, backend_ready) = (&self.client, |read, write| match &backend {
                        BackendStream::Connected(stream) => {
                            read && stream.is_readable() || write && stream.is_writable()
                        }
                        BackendStream::NotConnected => read || write,
                    });
                    assert!(
                        !backend_ready(wants.backend.read, wants.backend.write),
                        "waits for a socket that is ready: {wants:?}"
                    );
                    assert!(
                        !(wants.client.read && client.is_readable()),
                        "waits for a socket that is ready: {wants:?}"
                    );
                    assert!(
                        !(wants.client.write && client.is_writable()),
                        "waits for a socket that is ready: {wants:?}"
                    );
                    assert!(!wants.client.is_none() || !wants.backend.is_none(), "waits for nothing: {wants:?}");
                    return Ok(false);
                }
            }
        }
    }

    fn step_client(&mut self, at: usize, tunnel: bool) {
        let rng = &mut self.rng;
        self.client.max_read = rng.size(SCRATCH_BYTES);
        let unread = self.scenario.read_limit.saturating_sub(self.client.sent.len());
        self.client.write_capacity = rng.size(100_000).min(unread);
        let end_of_request: usize = self.scenario.requests[..=at].iter().map(|request| request.bytes.len()).sum();
        let mut limit = if self.scenario.is_pipelining || tunnel {
            self.client_bytes.len()
        } else {
            end_of_request.min(self.client_bytes.len())
        };
        let request = &self.scenario.requests[at];
        if request.expects && !self.scenario.is_pipelining && !rng.one_in(50) {
            let waits_here = end_of_request - request.bytes.len() + request.head_length;
            limit = limit.min(waits_here.max(self.sent_bytes));
        }
        let n = rng.size(100_000).min(limit.saturating_sub(self.sent_bytes));
        self.client.input.extend(&self.client_bytes[self.sent_bytes..self.sent_bytes + n]);
        self.sent_bytes += n;
        let ahead = self.scenario.is_pipelining && request.websocket;
        if (tunnel || ahead) && self.sent_bytes == self.client_bytes.len() && !self.scenario.tunnel.is_empty() {
            let n = rng.size(100_000).min(self.scenario.tunnel.len());
            self.client_bytes.extend(self.scenario.tunnel.drain(..n));
        }
        let ends = self.sent_bytes == self.client_bytes.len()
            && self.scenario.tunnel.is_empty()
            && self.client.input_end.is_none();
        let over = !request.websocket || tunnel;
        if ends && over && at + 1 == self.scenario.requests.len() && rng.one_in(4) {
            // A tunnel that neither peer closes would last until its deadline.
            let then = self.scenario.end.or(tunnel.then_some(StreamEnd::Fin));
            self.client.input_end = then;
            self.client.broken_pipe = then == Some(StreamEnd::Reset);
        }
    }

    /// The tunnel bytes that the client has sent.
    pub(crate) fn client_tunnel(&self) -> &[u8] {
        let requests: usize = self.scenario.requests.iter().map(|request| request.bytes.len()).sum();
        self.client_bytes.get(requests..).unwrap_or_default()
    }

    pub(crate) fn client_is_reset(&self) -> bool {
        self.client.input_end == Some(StreamEnd::Reset)
    }
}

impl Attempt {
    fn switched(&self) -> bool {
        self.response.status == 101 && self.responding && self.sent_bytes >= self.response.bytes.len()
    }
}

fn step_backend(rng: &mut Rng, attempt: &mut Attempt) {
    let (stream, response) = (&mut attempt.stream, &attempt.response);
    stream.max_read = rng.size(SCRATCH_BYTES);
    stream.write_capacity = rng.size(100_000).min(response.read_limit.saturating_sub(stream.sent.len()));
    stream.broken_pipe |= response.write_fails && stream.sent.len() >= response.read_limit;
    if !attempt.responding && attempt.read.0 != stream.sent.len() {
        let message = strict_parser::request(&stream.sent)
            .unwrap_or_else(|error| panic!("malformed request to the backend: {error}"));
        let message = message.expect("some bytes");
        attempt.read = (stream.sent.len(), message.end == strict_parser::End::Complete);
        attempt.responding = match response.when {
            RespondWhen::AfterHead => message.has_head(),
            RespondWhen::AfterBytes(n) => stream.sent.len() >= n || attempt.read.1,
            RespondWhen::AfterRequest => attempt.read.1,
            RespondWhen::Immediately | RespondWhen::Never => false,
        };
    }
    attempt.responding |= response.when == RespondWhen::Immediately;
    if !attempt.responding {
        return;
    }
    let outgoing = response.bytes.iter().chain(&response.tunnel).skip(attempt.sent_bytes);
    let n = rng.size(100_000).min(response.bytes.len() + response.tunnel.len() - attempt.sent_bytes);
    stream.input.extend(outgoing.take(n));
    attempt.sent_bytes += n;
    let all_sent = attempt.sent_bytes == response.bytes.len() + response.tunnel.len();
    if all_sent && stream.input_end.is_none() && rng.one_in(3) {
        let tunnel_ends = (response.status == 101 && response.complete).then_some(StreamEnd::Fin);
        stream.input_end = response.end.or(tunnel_ends);
        stream.broken_pipe |= stream.input_end == Some(StreamEnd::Reset);
    }
}
