//! The peers of one exchange around `pump`, and the engine between them, tick by tick.
//!
//! Within a tick nothing changes but by the machine's doing, so that a pump which waits for what is
//! already there is caught. Chance decides between ticks: who moves how much, who stalls, what fires.

use std::{
    io::{self, IoSlice},
    time::SystemTime,
};

use common::http::{
    AfterBackend, AfterClient, Exchange, FailureKind, Head, Input, Phase, ProxyError, Pumped, Relay, Side, Wire, pump,
};

use super::{
    oracle,
    plan::{Plan, Reply, When},
};
use crate::support::{
    chance::Chance,
    drive::{REQUEST_ID, SCRATCH, client_address, forwarding},
    strict,
    wire::{Ended, Memory},
};

/// Ticks without any change after which a deadline fires.
const IDLE: usize = 40;
/// More than the longest honest exchange takes.
const TICKS: usize = 100_000;

/// A connection to a backend, and what plays the backend.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) wire: Memory,
    pub(crate) reply: Reply,
    pub(crate) answering: bool,
    /// Bytes of the reply, then of the tunnel, that have left.
    pub(crate) said: usize,
    /// What `strict` made of the request when it had this many bytes.
    read: (usize, bool),
}

/// All that is known of an exchange when it is over.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) record: Exchange,
    pub(crate) after_client: AfterClient,
    pub(crate) after_backend: AfterBackend,
    pub(crate) attempts: Vec<Attempt>,
    /// What the client was sent, from here on in its wire.
    pub(crate) mark: usize,
    /// Something was done to it that no balancer can make good.
    pub(crate) disturbed: bool,
    /// Bytes of the client that are neither taken nor kept for the next request.
    pub(crate) consumed: usize,
    pub(crate) deadlines: usize,
}

/// How often what was meant to happen did.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) whole: usize,
    pub(crate) cut: usize,
    pub(crate) retried: usize,
    pub(crate) pooled: usize,
    pub(crate) aborted: usize,
    pub(crate) lingered: usize,
    pub(crate) own_answers: usize,
    pub(crate) tunnels: usize,
    pub(crate) early: usize,
    pub(crate) deadlines: usize,
}

impl Seen {
    fn note(&mut self, outcome: &Outcome, complete: bool) {
        let relayed = !outcome.record.local_reply;
        let fine = outcome.record.failure.is_none();
        self.whole += usize::from(complete && relayed);
        self.cut += usize::from(!complete && relayed);
        self.retried += usize::from(outcome.record.retries > 0 && relayed);
        self.pooled += usize::from(outcome.after_backend == AfterBackend::Pool);
        self.aborted += usize::from(outcome.after_client == AfterClient::Abort);
        self.lingered += usize::from(outcome.after_client == AfterClient::Linger);
        self.own_answers += usize::from(!relayed);
        self.tunnels += usize::from(outcome.record.status == 101 && fine);
        let half_sent = outcome.attempts.last().is_some_and(|last| !last.read.1);
        self.early += usize::from(fine && relayed && half_sent);
        self.deadlines += outcome.deadlines;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let all = [
            (&mut self.whole, other.whole),
            (&mut self.cut, other.cut),
            (&mut self.retried, other.retried),
            (&mut self.pooled, other.pooled),
            (&mut self.aborted, other.aborted),
            (&mut self.lingered, other.lingered),
            (&mut self.own_answers, other.own_answers),
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
            self.whole,
            self.cut,
            self.retried,
            self.pooled,
            self.aborted,
            self.lingered,
            self.own_answers,
            self.tunnels,
            self.early,
            self.deadlines,
        ];
        all.into_iter().min().unwrap_or(0)
    }
}

enum Link<'a> {
    Up(&'a mut Memory),
    Down,
}

impl Wire for Link<'_> {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Up(wire) => wire.recv(into),
            Self::Down => panic!("read from a backend that is not there"),
        }
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Up(wire) => wire.send(from),
            Self::Down => panic!("wrote to a backend that is not there"),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Up(wire) => wire.shutdown_write(),
            Self::Down => panic!("shut a backend that is not there"),
        }
    }
}

/// A client's connection, from its first byte to its end.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) chance: Chance,
    pub(crate) client: Memory,
    stream: Vec<u8>,
    said: usize,
    held: Vec<u8>,
    relay: Relay,
    scratch: Vec<u8>,
    pub(crate) trace: Vec<String>,
    /// What came about, for the test of the simulation itself.
    pub(crate) seen: Seen,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let plan = Plan::new(&mut chance);
        let mut stream: Vec<u8> = plan.requests.iter().flat_map(|request| request.wire.clone()).collect();
        stream.truncate(plan.sends);
        Self {
            plan,
            chance,
            client: Memory::default(),
            stream,
            said: 0,
            held: Vec::new(),
            relay: Relay::new(),
            scratch: vec![0; SCRATCH],
            trace: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// Plays the connection to its end.
    pub(crate) fn run(&mut self) {
        let mut head = Head::new();
        for at in 0..self.plan.requests.len() {
            let Some(length) = self.read_head(&mut head, at) else { return };
            let outcome = self.exchange(&head, length, at);
            let complete = oracle::check(self, at, &outcome);
            self.seen.note(&outcome, complete);
            if outcome.after_client != AfterClient::KeepAlive {
                return;
            }
            self.held = self.relay.take_pipelined();
        }
    }

    /// The engine's first step. `None`: the client ends before a whole head.
    fn read_head(&mut self, head: &mut Head, at: usize) -> Option<usize> {
        let mut scanned = 0;
        for _ in 0..TICKS {
            let found = head.read_request(&self.held, &mut scanned);
            if let Some(length) = found.unwrap_or_else(|refusal| panic!("a fine head is refused: {refusal}")) {
                assert_eq!(length, self.plan.requests[at].head_length, "the head's end");
                return Some(length);
            }
            self.client_acts(at, false);
            match self.client.recv(&mut self.scratch) {
                Ok(0) => return None,
                Ok(n) => self.held.extend_from_slice(&self.scratch[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.said == self.stream.len() && self.plan.then.is_none() && self.client.inbox.is_empty() {
                        return None; // the head's deadline is the engine's own
                    }
                }
                Err(_) => return None,
            }
        }
        panic!("the client never comes to an end")
    }

    fn exchange(&mut self, head: &Head, length: usize, at: usize) -> Outcome {
        let forwarding = forwarding(self.plan.pooled);
        let address = client_address(&forwarding);
        let mark = self.client.sent.len();
        let mut bytes = std::mem::take(&mut self.held);
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
        let mut disturbed = error.is_some();
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
                    assert!(failures < 4, "fails for ever");
                    self.relay.fail(&error, SystemTime::UNIX_EPOCH);
                    disturbed = true;
                }
            }
            let up = failures == 0 && attempts.last().is_some_and(|attempt: &Attempt| attempt.reply.connects);
            match self.until_it_ends(&mut attempts, at, up, &mut deadlines) {
                Ok(()) => break,
                Err(failed) => error = Some(failed),
            }
        }
        let (record, after_client, after_backend) = self.relay.end();
        self.trace.push(format!("end: {record:?} {after_client:?} {after_backend:?}"));
        let surplus = self.relay.take_pipelined();
        let consumed = self.client.received - surplus.len();
        self.relay.push_pipelined(&surplus);
        Outcome { record, after_client, after_backend, attempts, mark, disturbed, consumed, deadlines }
    }

    /// Whether the machine may and we do; and whether it may when it should.
    fn retries(&mut self, error: &ProxyError, attempts: &[Attempt], at: usize) -> bool {
        let Some(last) = attempts.last() else { return false };
        let request = &self.plan.requests[at];
        let may = self.relay.may_retry(error);
        let from_backend = error.side == Side::Backend
            && matches!(error.kind, FailureKind::Connect | FailureKind::IncompleteMessage | FailureKind::Reset);
        let nothing_sent = last.wire.sent.is_empty();
        let nothing_came = last.wire.received == 0;
        if may {
            assert!(from_backend && nothing_came, "may retry after {error}");
            assert!(nothing_sent || request.is_idempotent(), "may send a {} twice", request.method);
        } else if from_backend && nothing_came && (nothing_sent || request.is_idempotent()) {
            let only_a_head = request.wire.len() == request.head_length;
            assert!(!only_a_head, "should retry after {error}");
        }
        may && attempts.len() < 3
    }

    fn connect(&mut self, attempts: &mut Vec<Attempt>, at: usize) -> Option<ProxyError> {
        let reply = Reply::new(&mut self.chance, &self.plan.requests[at]);
        let connects = reply.connects;
        self.trace.push(format!("attempt: {:?} {:?} {:?}", reply.when, reply.frame, reply.then));
        attempts.push(Attempt { wire: Memory::default(), reply, answering: false, said: 0, read: (0, false) });
        if connects {
            self.relay.attempt(self.chance.one_in(2));
            return None;
        }
        Some(ProxyError::new(FailureKind::Connect, Side::Backend, Phase::Connect))
    }

    /// Pumps and lets the peers act, until the exchange is over or fails.
    fn until_it_ends(
        &mut self,
        attempts: &mut [Attempt],
        at: usize,
        up: bool,
        deadlines: &mut usize,
    ) -> Result<(), ProxyError> {
        let mut idle = 0;
        for _ in 0..TICKS {
            let mut attempt = attempts.last_mut().filter(|_| up);
            let tunnel = attempt.as_ref().is_some_and(|attempt| attempt.switched());
            let before = (self.bytes(attempt.as_deref()), self.said, attempt.as_ref().map(|attempt| attempt.said));
            self.client_acts(at, tunnel);
            if let Some(attempt) = &mut attempt {
                backend_acts(&mut self.chance, attempt);
            }
            if self.pump_once(attempt.as_deref_mut())? {
                return Ok(());
            }
            let after = (self.bytes(attempt.as_deref()), self.said, attempt.as_ref().map(|attempt| attempt.said));
            // A client that was reset is noticed by its engine though nothing is wanted of it.
            if self.client.broken && self.client.inbox.is_empty() && self.chance.one_in(8) {
                self.relay.from_client(Input::Reset)?;
                panic!("a reset that is no error");
            }
            idle = if before == after { idle + 1 } else { 0 };
            if idle > IDLE || self.chance.one_in(self.plan.deadline_one_in) {
                *deadlines += 1;
                return Err(self.relay.timeout_error());
            }
        }
        panic!("the exchange never ends")
    }

    /// How many bytes the sockets have given and taken.
    fn bytes(&self, attempt: Option<&Attempt>) -> usize {
        let backend = attempt.map_or(0, |attempt| attempt.wire.received + attempt.wire.sent.len());
        self.client.received + self.client.sent.len() + backend
    }

    /// One pump, to its `Wait`. Whether it is done.
    fn pump_once(&mut self, attempt: Option<&mut Attempt>) -> Result<bool, ProxyError> {
        let mut backend = attempt.map_or(Link::Down, |attempt| Link::Up(&mut attempt.wire));
        loop {
            let moved = |link: &Link<'_>| if let Link::Up(wire) = link { wire.received + wire.sent.len() } else { 0 };
            let before = self.client.received + self.client.sent.len() + moved(&backend);
            match pump(&mut self.relay, &mut self.client, &mut backend, &mut self.scratch)? {
                Pumped::Done => return Ok(true),
                Pumped::Yield => {
                    assert_ne!(self.client.received + self.client.sent.len() + moved(&backend), before, "spins");
                }
                Pumped::Wait(wants) => {
                    assert_eq!(wants, self.relay.wants());
                    let (client, backend_ready) = (&self.client, |read, write| match &backend {
                        Link::Up(wire) => read && wire.is_readable() || write && wire.is_writable(),
                        Link::Down => read || write,
                    });
                    assert!(
                        !backend_ready(wants.backend.read, wants.backend.write),
                        "waits for what is there: {wants:?}"
                    );
                    assert!(!(wants.client.read && client.is_readable()), "waits for what is there: {wants:?}");
                    assert!(!(wants.client.write && client.is_writable()), "waits for what is there: {wants:?}");
                    assert!(!wants.client.is_none() || !wants.backend.is_none(), "waits for nothing: {wants:?}");
                    return Ok(false);
                }
            }
        }
    }

    fn client_acts(&mut self, at: usize, tunnel: bool) {
        let chance = &mut self.chance;
        self.client.piece = chance.size(SCRATCH);
        let unread = self.plan.reads.saturating_sub(self.client.sent.len());
        self.client.room = chance.size(100_000).min(unread);
        let until: usize = self.plan.requests[..=at].iter().map(|request| request.wire.len()).sum();
        let mut limit = if self.plan.pipelines || tunnel { self.stream.len() } else { until.min(self.stream.len()) };
        let request = &self.plan.requests[at];
        if request.expects && !self.plan.pipelines && !chance.one_in(50) {
            let waits_here = until - request.wire.len() + request.head_length;
            limit = limit.min(waits_here.max(self.said));
        }
        let n = chance.size(100_000).min(limit.saturating_sub(self.said));
        self.client.inbox.extend(&self.stream[self.said..self.said + n]);
        self.said += n;
        let ahead = self.plan.pipelines && request.websocket;
        if (tunnel || ahead) && self.said == self.stream.len() && !self.plan.tunnel.is_empty() {
            let n = chance.size(100_000).min(self.plan.tunnel.len());
            self.stream.extend(self.plan.tunnel.drain(..n));
        }
        let ends = self.said == self.stream.len() && self.plan.tunnel.is_empty() && self.client.inbox_end.is_none();
        let over = !request.websocket || tunnel;
        if ends && over && at + 1 == self.plan.requests.len() && chance.one_in(4) {
            // A tunnel that nobody ends would last until its deadline.
            let then = self.plan.then.or(tunnel.then_some(Ended::Fin));
            self.client.inbox_end = then;
            self.client.broken = then == Some(Ended::Reset);
        }
    }

    /// What the client's tunnel carried, as far as it left.
    pub(crate) fn client_tunnel(&self) -> &[u8] {
        let requests: usize = self.plan.requests.iter().map(|request| request.wire.len()).sum();
        self.stream.get(requests..).unwrap_or_default()
    }

    pub(crate) fn client_is_reset(&self) -> bool {
        self.client.inbox_end == Some(Ended::Reset)
    }
}

impl Attempt {
    fn switched(&self) -> bool {
        self.reply.status == 101 && self.answering && self.said >= self.reply.wire.len()
    }
}

fn backend_acts(chance: &mut Chance, attempt: &mut Attempt) {
    let (wire, reply) = (&mut attempt.wire, &attempt.reply);
    wire.piece = chance.size(SCRATCH);
    wire.room = chance.size(100_000).min(reply.takes.saturating_sub(wire.sent.len()));
    wire.broken |= reply.deaf && wire.sent.len() >= reply.takes;
    if !attempt.answering && attempt.read.0 != wire.sent.len() {
        let message = strict::request(&wire.sent).unwrap_or_else(|error| panic!("the backend cannot read: {error}"));
        let message = message.expect("some bytes");
        attempt.read = (wire.sent.len(), message.end == strict::End::Exact);
        attempt.answering = match reply.when {
            When::AfterHead => message.has_head(),
            When::After(n) => wire.sent.len() >= n || attempt.read.1,
            When::AfterAll => attempt.read.1,
            When::AtOnce | When::Never => false,
        };
    }
    attempt.answering |= reply.when == When::AtOnce;
    if !attempt.answering {
        return;
    }
    let says = reply.wire.iter().chain(&reply.tunnel).skip(attempt.said);
    let n = chance.size(100_000).min(reply.wire.len() + reply.tunnel.len() - attempt.said);
    wire.inbox.extend(says.take(n));
    attempt.said += n;
    let all_said = attempt.said == reply.wire.len() + reply.tunnel.len();
    if all_said && wire.inbox_end.is_none() && chance.one_in(3) {
        let tunnel_ends = (reply.status == 101 && reply.whole).then_some(Ended::Fin);
        wire.inbox_end = reply.then.or(tunnel_ends);
        wire.broken |= wire.inbox_end == Some(Ended::Reset);
    }
}
