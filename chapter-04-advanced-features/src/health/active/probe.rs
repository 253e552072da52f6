//! One check of one backend: a state machine that never blocks.
//!
//! Connect, send, receive, match, close. [`Probe::drive`] goes as far as its sockets allow, and says until when it has
//! to wait, so that one thread can drive all checks. The connection is always a new one, never a pooled one: a check that waited
//! for a pooled connection would only show that the pool is full. Connect, request and response share **one** deadline,
//! so that a backend which sends a byte now and then times out like one that sends none.
//!
//! A check does not close with a reset, which many backends log as an error. After an HTTP response it waits for the
//! backend to close first, as `Connection: close` asks of it, so that the `TIME_WAIT` is not on our side. Only a body that
//! is not read to its end is cut off. A TCP check has nothing to wait for.

use std::{
    io::{self, ErrorKind},
    mem,
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use common::{
    http::{FailureKind, ProxyError, Side},
    net::{AddressList, Addresses, ConnectPlan, ConnectStep},
};
use mio::Interest;

use super::{
    config::{CheckConfig, CheckKind},
    response_matcher::{MAX_BODY_BYTES, MAX_HEAD_BYTES, MatchResult, match_response},
};

/// Why a check did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CheckFailure {
    /// The backend failed the check; the reason in a few words.
    Unhealthy(String),
    /// The check could not run, and says nothing about the backend: no file descriptor left.
    Internal(String),
}

/// The connection of a probe.
pub(crate) trait ProbeSocket: Sized {
    /// The result of the handshake with `address`; `WouldBlock` until it is over.
    fn finish_connect(&self, address: SocketAddr) -> io::Result<()>;
    /// Sends what fits; `WouldBlock` if nothing does.
    fn send(&mut self, from: &[u8]) -> io::Result<usize>;
    /// Receives what is there: 0 is the end, `WouldBlock` nothing yet.
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize>;
}

/// What [`Probe::drive`] needs from outside.
pub(crate) struct ProbeContext<'a, S> {
    pub(crate) check: &'a CheckConfig,
    /// The request of an HTTP check.
    pub(crate) request: &'a [u8],
    /// Starts a connect.
    pub(crate) connect: &'a mut dyn FnMut(SocketAddr) -> io::Result<S>,
    /// Shared by all probes: what is received is matched in it, and copied only if more has to come.
    pub(crate) buffer: &'a mut [u8],
}

/// How far a probe has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProbeStep {
    /// Drive it again when a socket is ready, at this time at the latest.
    Wait(Instant),
    /// The outcome, once. Drive it on until it is closed, unless another check is due.
    Finished(Result<(), CheckFailure>),
    /// The connection is closed.
    Closed,
}

/// A check in flight.
#[derive(Debug)]
pub(crate) struct Probe<S> {
    phase: Phase<S>,
    deadline: Instant,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation per check")]
enum Phase<S> {
    Connecting(ConnectPlan<S>),
    Sending {
        socket: S,
        sent: usize,
    },
    Receiving {
        socket: S,
        received: Vec<u8>,
    },
    /// The outcome is known; the backend is about to close.
    Closing {
        socket: S,
        discarded: usize,
    },
    Closed,
}

/// What follows from a phase.
enum Next<S> {
    Enter(Phase<S>),
    Wait(Phase<S>, Instant),
    Finish(Phase<S>, Result<(), CheckFailure>),
}

impl<S: ProbeSocket> Probe<S> {
    /// A check of a backend at `addresses`; one of them has to respond.
    pub(crate) fn new(check: &CheckConfig, addresses: &Addresses, now: Instant) -> Self {
        let deadline = now + check.timeout;
        let address = |address: &SocketAddr| SocketAddr::new(address.ip(), check.port.unwrap_or(address.port()));
        let plan = match addresses.as_slice() {
            // Most backends have one address, which needs no list.
            [only] => ConnectPlan::to_address(address(only), now, deadline),
            all => ConnectPlan::new(&Arc::new(AddressList::new(all.iter().map(address), now)), now, deadline),
        };
        Self { phase: Phase::Connecting(plan), deadline }
    }

    /// Goes on as far as possible without waiting.
    pub(crate) fn drive(&mut self, now: Instant, cx: &mut ProbeContext<'_, S>) -> ProbeStep {
        loop {
            let next = match mem::replace(&mut self.phase, Phase::Closed) {
                Phase::Connecting(plan) => connect(plan, now, cx),
                Phase::Sending { socket, sent } => self.send(socket, sent, now, cx),
                Phase::Receiving { socket, received } => self.receive(socket, received, now, cx),
                Phase::Closing { socket, discarded } => self.close(socket, discarded, now, cx),
                Phase::Closed => return ProbeStep::Closed,
            };
            match next {
                Next::Enter(phase) => self.phase = phase,
                Next::Wait(phase, until) => {
                    self.phase = phase;
                    return ProbeStep::Wait(until);
                }
                Next::Finish(phase, outcome) => {
                    self.phase = phase;
                    return ProbeStep::Finished(outcome);
                }
            }
        }
    }

    /// Calls `visit` with each open socket, and what it waits for.
    pub(crate) fn for_each_socket(&mut self, mut visit: impl FnMut(&mut S, Interest)) {
        let both = Interest::READABLE | Interest::WRITABLE;
        match &mut self.phase {
            Phase::Connecting(plan) => {
                plan.pending_mut().iter_mut().for_each(|attempt| visit(&mut attempt.socket, both));
            }
            Phase::Sending { socket, .. } => visit(socket, both),
            Phase::Receiving { socket, .. } | Phase::Closing { socket, .. } => visit(socket, Interest::READABLE),
            Phase::Closed => {}
        }
    }

    fn send(&self, mut socket: S, mut sent: usize, now: Instant, cx: &ProbeContext<'_, S>) -> Next<S> {
        while sent < cx.request.len() {
            match socket.send(&cx.request[sent..]) {
                Ok(n) => sent += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.wait(Phase::Sending { socket, sent }, now, cx.check);
                }
                Err(error) => return unhealthy(Phase::Closed, error.to_string()),
            }
        }
        Next::Enter(Phase::Receiving { socket, received: Vec::new() })
    }

    fn receive(&self, mut socket: S, mut received: Vec<u8>, now: Instant, cx: &mut ProbeContext<'_, S>) -> Next<S> {
        loop {
            let bytes = match socket.recv(cx.buffer) {
                Ok(n) => &cx.buffer[..n],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.wait(Phase::Receiving { socket, received }, now, cx.check);
                }
                Err(error) => return unhealthy(Phase::Closed, error.to_string()),
            };
            let is_first = received.is_empty();
            if !is_first {
                received.extend_from_slice(bytes);
            }
            let result = match_received(&cx.check.kind, if is_first { bytes } else { &received }, bytes.is_empty());
            let is_closed = bytes.is_empty();
            let outcome = match result {
                MatchResult::Healthy => Ok(()),
                MatchResult::Unhealthy(reason) => Err(CheckFailure::Unhealthy(reason)),
                MatchResult::NeedMore => {
                    if is_first {
                        received.extend_from_slice(bytes);
                    }
                    continue;
                }
            };
            let phase = if is_closed { Phase::Closed } else { Phase::Closing { socket, discarded: 0 } };
            return Next::Finish(phase, outcome);
        }
    }

    /// Waits for the backend to close, until the deadline. A backend that ignores `Connection: close`, or whose body is
    /// large, is not waited for longer.
    fn close(&self, mut socket: S, mut discarded: usize, now: Instant, cx: &mut ProbeContext<'_, S>) -> Next<S> {
        while discarded <= MAX_BODY_BYTES && now < self.deadline {
            match socket.recv(cx.buffer) {
                Ok(n) if n > 0 => discarded += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Next::Wait(Phase::Closing { socket, discarded }, self.deadline);
                }
                _ => break,
            }
        }
        Next::Enter(Phase::Closed)
    }

    fn wait(&self, phase: Phase<S>, now: Instant, check: &CheckConfig) -> Next<S> {
        if now >= self.deadline {
            return unhealthy(Phase::Closed, format!("response timed out after {:?}", check.timeout));
        }
        Next::Wait(phase, self.deadline)
    }
}

fn connect<S: ProbeSocket>(mut plan: ConnectPlan<S>, now: Instant, cx: &mut ProbeContext<'_, S>) -> Next<S> {
    loop {
        match plan.next_step(now) {
            ConnectStep::Start(address) => match (cx.connect)(address) {
                Ok(socket) => plan.started(socket),
                Err(error) => plan.start_failed(error),
            },
            ConnectStep::Wait(until) => match ended_attempt(&plan) {
                None => return Next::Wait(Phase::Connecting(plan), until),
                Some((position, Ok(()))) => return connected(plan.succeed(position, now).socket, &cx.check.kind),
                Some((position, Err(error))) => plan.fail(position, error, now),
            },
            ConnectStep::Failed(error) => return Next::Finish(Phase::Closed, Err(connect_failure(error, cx.check))),
        }
    }
}

/// The first handshake that has ended, and its result.
fn ended_attempt<S: ProbeSocket>(plan: &ConnectPlan<S>) -> Option<(usize, io::Result<()>)> {
    let results = plan.pending().iter().map(|attempt| attempt.socket.finish_connect(attempt.address));
    results.enumerate().find(|(_, result)| !matches!(result, Err(error) if error.kind() == ErrorKind::WouldBlock))
}

fn connected<S: ProbeSocket>(socket: S, kind: &CheckKind) -> Next<S> {
    match kind {
        CheckKind::Tcp => Next::Finish(Phase::Closed, Ok(())),
        CheckKind::Http { .. } => Next::Enter(Phase::Sending { socket, sent: 0 }),
    }
}

fn connect_failure(error: ProxyError, check: &CheckConfig) -> CheckFailure {
    match error.kind {
        _ if error.side == Side::Internal => CheckFailure::Internal(error.to_string()),
        FailureKind::Timeout => CheckFailure::Unhealthy(format!("connect timed out after {:?}", check.timeout)),
        _ => CheckFailure::Unhealthy(error.source.map_or("connect failed".into(), |source| source.to_string())),
    }
}

fn match_received(kind: &CheckKind, received: &[u8], eof: bool) -> MatchResult {
    let CheckKind::Http { expected_statuses, body_contains, .. } = kind else { return MatchResult::Healthy };
    // Beyond this size, match what has been received.
    let eof = eof || received.len() > MAX_HEAD_BYTES + MAX_BODY_BYTES;
    match_response(expected_statuses, body_contains.as_deref(), received, eof)
}

fn unhealthy<S>(phase: Phase<S>, reason: String) -> Next<S> {
    Next::Finish(phase, Err(CheckFailure::Unhealthy(reason)))
}

/// The request of an HTTP check; empty for a TCP check. `host` is the value of the `Host` header.
pub(crate) fn request(kind: &CheckKind, host: &str) -> Vec<u8> {
    let CheckKind::Http { path, host: host_override, .. } = kind else { return Vec::new() };
    let host = host_override.as_deref().unwrap_or(host);
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: health-check\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

    use common::clock::now;

    use super::*;

    /// What a backend does, in order: each call of the probe takes the first one that is meant for it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Event {
        Accepts,
        Refuses,
        Takes(usize),
        Sends(&'static str),
        Resets,
        Closes,
        /// Nothing until the next event of the poller.
        Blocks,
    }
    use Event::{Accepts, Blocks, Closes, Refuses, Resets, Sends, Takes};

    #[derive(Debug, Default)]
    struct Script {
        events: VecDeque<Event>,
        sent: Vec<u8>,
        connects: usize,
    }

    #[derive(Debug)]
    struct ScriptedSocket(Rc<RefCell<Script>>);

    impl ScriptedSocket {
        fn next(&self) -> Option<Event> {
            self.0.borrow_mut().events.pop_front().filter(|event| *event != Blocks)
        }
    }

    impl ProbeSocket for ScriptedSocket {
        fn finish_connect(&self, _: SocketAddr) -> io::Result<()> {
            match self.next() {
                Some(Accepts) => Ok(()),
                Some(Refuses) => Err(ErrorKind::ConnectionRefused.into()),
                None => Err(ErrorKind::WouldBlock.into()),
                other => panic!("{other:?}"),
            }
        }
        fn send(&mut self, from: &[u8]) -> io::Result<usize> {
            match self.next() {
                Some(Takes(n)) => {
                    let taken = &from[..n.min(from.len())];
                    self.0.borrow_mut().sent.extend_from_slice(taken);
                    Ok(taken.len())
                }
                Some(Resets) => Err(ErrorKind::ConnectionReset.into()),
                None => Err(ErrorKind::WouldBlock.into()),
                other => panic!("{other:?}"),
            }
        }
        fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
            match self.next() {
                Some(Sends(bytes)) => {
                    into[..bytes.len()].copy_from_slice(bytes.as_bytes());
                    Ok(bytes.len())
                }
                Some(Closes) => Ok(0),
                Some(Resets) => Err(ErrorKind::ConnectionReset.into()),
                None => Err(ErrorKind::WouldBlock.into()),
                other => panic!("{other:?}"),
            }
        }
    }

    /// A check of a scripted backend, with a clock of its own.
    struct Engine {
        check: CheckConfig,
        script: Rc<RefCell<Script>>,
        probe: Probe<ScriptedSocket>,
        now: Instant,
        connect_errno: Option<i32>,
    }

    impl Engine {
        fn new(check: &str, addresses: &[&str], events: &[Event]) -> Self {
            let (check, now): (CheckConfig, _) = (check.parse().unwrap(), now());
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            let probe = Probe::new(&check, &addresses, now);
            let script = Script { events: events.iter().copied().collect(), ..Script::default() };
            Self { check, script: Rc::new(RefCell::new(script)), probe, now, connect_errno: None }
        }

        fn drive(&mut self) -> ProbeStep {
            let mut connect = |_| {
                self.script.borrow_mut().connects += 1;
                match self.connect_errno {
                    Some(errno) => Err(io::Error::from_raw_os_error(errno)),
                    None => Ok(ScriptedSocket(Rc::clone(&self.script))),
                }
            };
            let request = request(&self.check.kind, "backend.test:80");
            let mut buffer = [0; 1024];
            let (check, request) = (&self.check, &*request);
            self.probe.drive(self.now, &mut ProbeContext { check, request, connect: &mut connect, buffer: &mut buffer })
        }

        /// Drives it until it has an outcome, 10 ms after each wait.
        fn outcome(&mut self) -> Result<(), String> {
            loop {
                match self.drive() {
                    ProbeStep::Wait(until) => self.now = until.min(self.now + Duration::from_millis(10)),
                    ProbeStep::Finished(Ok(())) => return Ok(()),
                    ProbeStep::Finished(Err(CheckFailure::Unhealthy(reason))) => return Err(reason),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    const ALL: Event = Takes(usize::MAX);
    const ONE: &[&str] = &["127.0.0.1:80"];
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    fn outcome(check: &str, events: &[Event]) -> Result<(), String> {
        Engine::new(check, ONE, events).outcome()
    }

    #[test]
    fn a_response_may_arrive_byte_by_byte() {
        for is_driven_between in [false, true] {
            let bytes = (0..OK.len()).map(|index| Sends(&OK[index..=index]));
            let bytes = bytes.flat_map(|byte| [Some(byte), is_driven_between.then_some(Blocks)]).flatten();
            let events: Vec<_> =
                [Blocks, Accepts, Blocks, Takes(1), Takes(7), Blocks, ALL].into_iter().chain(bytes).collect();
            let mut engine = Engine::new("http:/health,body=ok", ONE, &events);
            assert_eq!(engine.outcome(), Ok(()));
            assert_eq!(engine.script.borrow().sent, request(&engine.check.kind, "backend.test:80"));
        }
    }

    #[test]
    fn every_phase_may_fail() {
        let closed = "connection closed before the response was complete";
        for (events, reason) in [
            (&[Refuses][..], "connection refused"),
            (&[Accepts, Resets], "connection reset"),
            (&[Accepts, ALL, Resets], "connection reset"),
            (&[Accepts, ALL, Sends("HTTP/1.1 200"), Blocks, Resets], "connection reset"),
            (&[Accepts, ALL, Closes], closed),
            (&[Accepts, ALL, Sends("HTTP/1.1 200 OK\r\n"), Blocks, Closes], closed),
            (&[Accepts, ALL, Sends("HTTP/1.1 103 Early Hints\r\n\r\n"), Closes], closed),
            (&[Accepts, ALL, Sends("220 mail.example\r\n")], "not an HTTP/1 response: invalid HTTP version"),
        ] {
            assert_eq!(outcome("http:/", events), Err(reason.into()), "{events:?}");
        }
    }

    #[test]
    fn one_deadline_covers_all_phases() {
        let drips = [Sends("HTTP/1.1 200 OK\r\nX: "), Blocks].into_iter().chain([Sends("x"), Blocks].repeat(1_000));
        let dripping: Vec<_> = [Accepts, ALL].into_iter().chain(drips).collect();
        for (events, reason) in [
            (&[][..], "connect timed out after 300ms"),
            (&[Accepts], "response timed out after 300ms"),
            (&[Accepts, ALL], "response timed out after 300ms"),
            (&dripping, "response timed out after 300ms"),
        ] {
            let mut engine = Engine::new("http:/,timeout=300ms", ONE, events);
            let began = engine.now;
            assert_eq!(engine.outcome(), Err(reason.into()), "{events:?}");
            assert_eq!(engine.now - began, Duration::from_millis(300));
        }
    }

    #[test]
    fn tries_the_next_address_and_the_port_of_the_check() {
        let two = &["127.0.0.1:80", "127.0.0.2:80"];
        let mut engine = Engine::new("tcp", two, &[Refuses, Accepts]);
        assert_eq!((engine.outcome(), engine.script.borrow().connects), (Ok(()), 2));
        assert_eq!(Engine::new("tcp", &[], &[]).outcome(), Err("connect failed".into()));
    }

    #[test]
    fn without_descriptors_a_check_is_inconclusive() {
        for errno in [nix::errno::Errno::EMFILE, nix::errno::Errno::ENFILE] {
            let mut engine = Engine::new("tcp", ONE, &[]);
            engine.connect_errno = Some(errno as i32);
            let step = engine.drive();
            assert!(matches!(step, ProbeStep::Finished(Err(CheckFailure::Internal(_)))), "{step:?}");
        }
    }

    #[test]
    fn waits_for_the_backend_to_close_after_its_response() {
        let mut engine = Engine::new("http:/", ONE, &[Accepts, ALL, Sends(OK), Blocks, Sends("more"), Closes]);
        let deadline = engine.now + engine.check.timeout;
        assert_eq!(engine.outcome(), Ok(()));
        assert_eq!(engine.drive(), ProbeStep::Wait(deadline), "it has not closed yet");
        assert_eq!(engine.drive(), ProbeStep::Closed);

        let mut engine = Engine::new("http:/", ONE, &[Accepts, ALL, Sends(OK)]);
        assert_eq!(engine.outcome(), Ok(()));
        assert!(matches!(engine.drive(), ProbeStep::Wait(_)));
        engine.now += engine.check.timeout;
        assert_eq!(engine.drive(), ProbeStep::Closed, "not longer than until the deadline");

        let endless: Vec<_> = [Accepts, ALL, Sends(OK)].into_iter().chain([Sends(OK)].repeat(MAX_BODY_BYTES)).collect();
        let mut engine = Engine::new("http:/", ONE, &endless);
        assert_eq!(engine.outcome(), Ok(()));
        assert_eq!(engine.drive(), ProbeStep::Closed, "nor for an endless body");
    }

    #[test]
    fn a_tcp_check_closes_at_once() {
        let mut engine = Engine::new("tcp", ONE, &[Accepts]);
        assert_eq!(engine.outcome(), Ok(()));
        assert_eq!(engine.drive(), ProbeStep::Closed);
    }

    #[test]
    fn requests_path_and_host() {
        for (check, line, host) in [
            ("http:/health?a=1", "GET /health?a=1 HTTP/1.1", "Host: backend.test:80"),
            ("http:/,host=a.example", "GET / HTTP/1.1", "Host: a.example"),
        ] {
            let check: CheckConfig = check.parse().unwrap();
            let request = String::from_utf8(request(&check.kind, "backend.test:80")).unwrap();
            let lines: Vec<_> = request.split("\r\n").collect();
            assert_eq!(lines[0], line);
            assert!(lines.contains(&host) && lines.contains(&"Connection: close"), "{request}");
        }
        assert!(request(&CheckKind::Tcp, "x").is_empty());
    }
}
