//! A connect to a backend with several addresses: which address is next, and when (Happy Eyeballs, RFC 8305).
//!
//! A connect to an address that drops packets fails only at its deadline. So the next address is not tried after that
//! but beside it, [`CONNECTION_ATTEMPT_DELAY`] later, or at once if an attempt fails; the first to succeed wins. One
//! deadline covers them all. [`AddressList`] has the order.
//!
//! Sans-IO: an engine starts the attempts and waits for them in its own way, with a thread, an event loop or a future.
//! The plan holds their sockets `S`, so that the losing ones are closed with it.

use std::{
    io, mem,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use smallvec::{SmallVec, smallvec};

use super::{address_list::AddressList, connect::connect_error};
use crate::http::{FailureKind, Phase, ProxyError, Side};

/// How long an attempt may take before the next address is tried beside it: the recommended value of RFC 8305 §5.
const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// The same where a short deadline has to suffice for many addresses: the least that RFC 8305 §5 allows.
const MIN_CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(10);

/// A connect in progress: the attempts that are pending, and the addresses that are left.
#[derive(Debug)]
pub struct ConnectPlan<S> {
    /// Where failures are recorded; `None` for a single address, which has no other to be tried before.
    list: Option<Arc<AddressList>>,
    /// The addresses that have not been tried. One needs no allocation.
    candidates: smallvec::IntoIter<[Candidate; 1]>,
    /// A candidate for which there was no descriptor beside those of the pending attempts.
    deferred: Option<Candidate>,
    starting: Option<(Candidate, Instant)>,
    pending: SmallVec<[ConnectAttempt<S>; 1]>,
    attempt_delay: Duration,
    next_start: Instant,
    deadline: Instant,
    last_error: ProxyError,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    address: SocketAddr,
    /// In the list.
    index: usize,
}

/// A pending attempt: a TCP handshake in progress.
#[derive(Debug)]
pub struct ConnectAttempt<S> {
    /// The address that it connects to.
    pub address: SocketAddr,
    /// The connecting socket.
    pub socket: S,
    /// When it was started.
    pub started_at: Instant,
    index: usize,
}

/// What the engine has to do next.
#[derive(Debug)]
pub enum ConnectStep {
    /// Start a connect to this address, and call [`started`](ConnectPlan::started) or
    /// [`start_failed`](ConnectPlan::start_failed).
    Start(SocketAddr),
    /// Wait for one of the [`pending`](ConnectPlan::pending) attempts, until this time.
    Wait(Instant),
    /// No attempt succeeded. Side `Backend` when no address answered, `Internal` when this process cannot open more
    /// sockets, which is no fault of the backend.
    Failed(ProxyError),
}

impl<S> ConnectPlan<S> {
    /// A connect to one of `addresses` that starts `now` and fails at `deadline`.
    pub fn new(addresses: &Arc<AddressList>, now: Instant, deadline: Instant) -> Self {
        let order = addresses.connect_order(now);
        let candidates = order.into_iter().map(|index| Candidate { address: addresses.address(index), index });
        let list = (addresses.len() > 1).then(|| Arc::clone(addresses));
        Self::with_candidates(candidates.collect(), list, now, deadline)
    }

    /// A connect to this one address.
    pub fn to_address(address: SocketAddr, now: Instant, deadline: Instant) -> Self {
        Self::with_candidates(smallvec![Candidate { address, index: 0 }], None, now, deadline)
    }

    fn with_candidates(
        candidates: SmallVec<[Candidate; 1]>,
        list: Option<Arc<AddressList>>,
        now: Instant,
        deadline: Instant,
    ) -> Self {
        // So that each address is tried before the deadline.
        let share =
            deadline.saturating_duration_since(now) / u32::try_from(candidates.len().max(1)).unwrap_or(u32::MAX);
        Self {
            list,
            candidates: candidates.into_iter(),
            deferred: None,
            starting: None,
            pending: SmallVec::new(),
            attempt_delay: share.clamp(MIN_CONNECTION_ATTEMPT_DELAY, CONNECTION_ATTEMPT_DELAY),
            next_start: now,
            deadline,
            last_error: no_address(),
        }
    }

    /// What to do at `now`. Ask again after each event and whenever a wait is over.
    pub fn next_step(&mut self, now: Instant) -> ConnectStep {
        let has_candidate = self.deferred.is_some() || self.candidates.len() > 0;
        let may_start = has_candidate && !self.has_internal_error();
        if self.pending.is_empty() && !may_start {
            return ConnectStep::Failed(self.take_error());
        }
        if now >= self.deadline {
            return ConnectStep::Failed(self.time_out(now));
        }
        let is_start_due = may_start && (self.pending.is_empty() || now >= self.next_start);
        if is_start_due && let Some(candidate) = self.deferred.take().or_else(|| self.candidates.next()) {
            self.starting = Some((candidate, now));
            self.next_start = now + self.attempt_delay;
            return ConnectStep::Start(candidate.address);
        }
        ConnectStep::Wait(if may_start { self.next_start.min(self.deadline) } else { self.deadline })
    }

    /// The attempts that are pending, in the order of their start.
    pub fn pending(&self) -> &[ConnectAttempt<S>] {
        &self.pending
    }

    /// The same, for an engine that records readiness in its sockets.
    pub fn pending_mut(&mut self) -> &mut [ConnectAttempt<S>] {
        &mut self.pending
    }

    /// The connect that [`ConnectStep::Start`] asked for has started, on `socket`.
    pub fn started(&mut self, socket: S) {
        if let Some((Candidate { address, index }, started_at)) = self.starting.take() {
            self.pending.push(ConnectAttempt { address, socket, started_at, index });
        }
    }

    /// The connect that [`ConnectStep::Start`] asked for has failed at once.
    pub fn start_failed(&mut self, error: io::Error) {
        let Some((candidate, now)) = self.starting.take() else { return };
        let error = connect_error(error);
        if error.side == Side::Internal && !self.pending.is_empty() {
            // An attempt that ends, here or elsewhere, frees a descriptor. Until then those that have one go on.
            self.deferred = Some(candidate);
            return;
        }
        self.record_failure(candidate.index, error, now);
        if let Some(list) = &self.list {
            let is_first = self.candidates.len() + 1 == list.len();
            if is_first && self.has_internal_error() {
                list.undo_rotation();
            }
        }
    }

    /// The pending attempt at `position` has failed: the next address is tried at once.
    pub fn fail(&mut self, position: usize, error: io::Error, now: Instant) {
        let attempt = self.pending.remove(position);
        self.record_failure(attempt.index, connect_error(error), now);
    }

    /// The pending attempt at `position` has succeeded, and ends the connect: drop the plan, which closes the others.
    /// An attempt that it has overtaken counts as failed, so that the next connects do not wait for it.
    pub fn succeed(&mut self, position: usize, now: Instant) -> ConnectAttempt<S> {
        let winner = self.pending.remove(position);
        if let Some(list) = &self.list {
            list.record_success(winner.index);
            let is_overtaken = |attempt: &&ConnectAttempt<S>| attempt.started_at + self.attempt_delay <= now;
            let overtaken = self.pending[..position].iter().filter(is_overtaken);
            overtaken.for_each(|attempt| list.record_failure(attempt.index, now));
        }
        winner
    }

    fn record_failure(&mut self, index: usize, error: ProxyError, now: Instant) {
        if let Some(list) = &self.list
            && error.side == Side::Backend
        {
            list.record_failure(index, now);
        }
        // An error of this process stays the result: no other address would do better.
        if !self.has_internal_error() {
            self.last_error = error;
        }
        self.next_start = now;
    }

    fn has_internal_error(&self) -> bool {
        self.last_error.side == Side::Internal
    }

    /// The deadline has passed: all pending attempts have failed.
    fn time_out(&mut self, now: Instant) -> ProxyError {
        while !self.pending.is_empty() {
            self.fail(0, io::ErrorKind::TimedOut.into(), now);
        }
        let timed_out = connect_error(io::ErrorKind::TimedOut.into());
        if self.has_internal_error() { self.take_error() } else { timed_out }
    }

    fn take_error(&mut self) -> ProxyError {
        mem::replace(&mut self.last_error, no_address())
    }
}

fn no_address() -> ProxyError {
    ProxyError::new(FailureKind::Connect, Side::Backend, Phase::Connect)
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::{super::address_list::FAILED_ADDRESS_TIME, *};
    use crate::clock::now;

    /// What an attempt does, and how many milliseconds after its start.
    #[derive(Debug, Clone, Copy)]
    enum Answer {
        Accept(u64),
        Fail(u64, Errno),
        /// It drops packets.
        Nothing,
        /// The connect does not even start.
        FailAtOnce(Errno),
    }
    use Answer::{Accept, Fail, FailAtOnce, Nothing};

    const REFUSED: Errno = Errno::ECONNREFUSED;

    /// An engine with a clock of its own.
    struct Engine {
        now: Instant,
        timeout: Duration,
        list: Arc<AddressList>,
        answers: Vec<(SocketAddr, Answer)>,
    }

    impl Engine {
        fn new(answers: &[(&str, Answer)]) -> Self {
            let now = now();
            let answers: Vec<_> = answers.iter().map(|(ip, answer)| (address(ip), *answer)).collect();
            let list = Arc::new(AddressList::new(answers.iter().map(|(address, _)| *address), now));
            Self { now, timeout: ms(3_000), list, answers }
        }

        /// Connects. Returns when each attempt was started, in milliseconds, and the result.
        fn connect(&mut self) -> (String, String) {
            let (began, mut log) = (self.now, Vec::new());
            let mut plan = ConnectPlan::new(&self.list, self.now, self.now + self.timeout);
            loop {
                match plan.next_step(self.now) {
                    ConnectStep::Start(address) => {
                        log.push(format!("{} {}", (self.now - began).as_millis(), address.ip()));
                        let answer = self.answers.iter().find(|(ip, _)| *ip == address).expect("a known address").1;
                        match answer {
                            FailAtOnce(errno) => plan.start_failed(errno.into()),
                            Accept(after) => plan.started((Some(self.now + ms(after)), None)),
                            Fail(after, errno) => plan.started((Some(self.now + ms(after)), Some(errno))),
                            Nothing => plan.started((None, None)),
                        }
                    }
                    ConnectStep::Wait(until) => {
                        assert!(until > self.now, "a wait that does not wait");
                        let ends =
                            plan.pending().iter().enumerate().filter_map(|(at, attempt)| Some((attempt.socket.0?, at)));
                        let first = ends.min().filter(|(end, _)| *end <= until);
                        self.now = first.map_or(until, |(end, _)| end);
                        match first.map(|(_, position)| (position, plan.pending()[position].socket.1)) {
                            Some((position, Some(errno))) => plan.fail(position, errno.into(), self.now),
                            Some((position, None)) => {
                                let won = plan.succeed(position, self.now).address.ip();
                                return (log.join(", "), format!("{} {won}", (self.now - began).as_millis()));
                            }
                            None => {}
                        }
                    }
                    ConnectStep::Failed(error) => {
                        return (log.join(", "), format!("{} {:?}", (self.now - began).as_millis(), error.kind));
                    }
                }
            }
        }

        fn assert_connect(&mut self, attempts: &str, result: &str) {
            assert_eq!(self.connect(), (attempts.to_owned(), result.to_owned()), "{:?}", self.answers);
        }
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn address(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), 80)
    }

    #[test]
    fn attempts_are_staggered_and_the_first_to_succeed_wins() {
        for (answers, attempts, result) in [
            (&[("::1", Accept(200)), ("1.1.1.1", Accept(0))][..], "0 ::1", "200 ::1"),
            (&[("::1", Nothing), ("1.1.1.1", Accept(10))], "0 ::1, 250 1.1.1.1", "260 1.1.1.1"),
            (&[("::1", Accept(300)), ("1.1.1.1", Accept(100))], "0 ::1, 250 1.1.1.1", "300 ::1"),
            (&[("::1", Nothing), ("::2", Nothing), ("1.1.1.1", Accept(1))], "0 ::1, 250 1.1.1.1", "251 1.1.1.1"),
            (&[("::1", Nothing), ("::2", Nothing), ("::3", Accept(1))], "0 ::1, 250 ::2, 500 ::3", "501 ::3"),
            (&[("1.1.1.1", Accept(2_999))], "0 1.1.1.1", "2999 1.1.1.1"),
        ] {
            Engine::new(answers).assert_connect(attempts, result);
        }
    }

    #[test]
    fn a_failed_attempt_starts_the_next_at_once() {
        for (answers, attempts, result) in [
            (&[("::1", Fail(100, REFUSED)), ("1.1.1.1", Accept(5))][..], "0 ::1, 100 1.1.1.1", "105 1.1.1.1"),
            (&[("::1", FailAtOnce(Errno::ENETUNREACH)), ("1.1.1.1", Accept(5))], "0 ::1, 0 1.1.1.1", "5 1.1.1.1"),
            (
                &[("::1", Nothing), ("1.1.1.1", Fail(50, REFUSED)), ("::2", Accept(5))],
                "0 ::1, 250 1.1.1.1, 300 ::2",
                "305 ::2",
            ),
            (&[("::1", Fail(1, REFUSED)), ("1.1.1.1", Fail(1, REFUSED))], "0 ::1, 1 1.1.1.1", "2 Connect"),
        ] {
            Engine::new(answers).assert_connect(attempts, result);
        }
    }

    #[test]
    fn one_deadline_covers_all_attempts() {
        let attempts = "0 ::1, 250 1.1.1.1";
        for answers in [[Nothing, Nothing], [Nothing, Fail(1, REFUSED)], [Accept(3_001), Nothing]] {
            Engine::new(&[("::1", answers[0]), ("1.1.1.1", answers[1])]).assert_connect(attempts, "3000 Timeout");
        }
        Engine::new(&[("1.1.1.1", Nothing)]).assert_connect("0 1.1.1.1", "3000 Timeout");
    }

    #[test]
    fn every_address_is_tried_before_a_short_deadline() {
        let mut engine = Engine::new(&[("::1", Nothing), ("1.1.1.1", Nothing), ("::2", Accept(5))]);
        engine.timeout = ms(90);
        engine.assert_connect("0 ::1, 30 1.1.1.1, 60 ::2", "65 ::2");
        engine.assert_connect("0 ::2", "5 ::2");
    }

    #[test]
    fn only_the_first_connect_waits_for_a_dead_address() {
        let mut engine = Engine::new(&[("::1", Nothing), ("1.1.1.1", Accept(1))]);
        engine.assert_connect("0 ::1, 250 1.1.1.1", "251 1.1.1.1");
        for _ in 0..3 {
            engine.assert_connect("0 1.1.1.1", "1 1.1.1.1");
        }
        engine.now += FAILED_ADDRESS_TIME;
        engine.answers[0].1 = Accept(1);
        engine.assert_connect("0 ::1", "1 ::1");
        engine.assert_connect("0 ::1", "1 ::1");
    }

    #[test]
    fn an_attempt_that_had_no_time_yet_is_not_failed() {
        let mut engine = Engine::new(&[("::1", Fail(251, REFUSED)), ("1.1.1.1", Accept(9)), ("::2", Accept(1))]);
        engine.assert_connect("0 ::1, 250 1.1.1.1, 251 ::2", "252 ::2");
        // ::1 has failed; 1.1.1.1 was overtaken after 2 ms, which says nothing about it.
        engine.answers[2].1 = Nothing;
        engine.assert_connect("0 1.1.1.1", "9 1.1.1.1");
    }

    #[test]
    fn addresses_of_equal_precedence_share_connects_evenly() {
        let mut engine = Engine::new(&[("::1", Nothing), ("1.1.1.1", Accept(1)), ("1.1.1.2", Accept(1))]);
        let mut winners: Vec<_> = (0..20).map(|_| engine.connect().1).collect();
        winners.remove(0);
        let of = |ip| winners.iter().filter(|winner| winner.ends_with(ip)).count();
        assert_eq!((of("1.1.1.1"), of("1.1.1.2")), (9, 10), "{winners:?}");
    }

    #[test]
    fn no_other_address_is_tried_without_descriptors() {
        let exhausted = FailAtOnce(Errno::EMFILE);
        let mut engine = Engine::new(&[("1.1.1.1", exhausted), ("1.1.1.2", Accept(1))]);
        for _ in 0..2 {
            engine.assert_connect("0 1.1.1.1", "0 ResourceExhausted");
        }
        engine.answers[0].1 = Accept(1);
        engine.assert_connect("0 1.1.1.1", "1 1.1.1.1");
        // The attempts that have descriptors go on.
        Engine::new(&[("::1", Accept(400)), ("1.1.1.1", exhausted)]).assert_connect("0 ::1, 250 1.1.1.1", "400 ::1");
        let answers = [("::1", Fail(400, REFUSED)), ("1.1.1.1", exhausted)];
        Engine::new(&answers).assert_connect("0 ::1, 250 1.1.1.1, 400 1.1.1.1", "400 ResourceExhausted");
        let mut engine = Engine::new(&[("::1", Nothing), ("1.1.1.1", exhausted)]);
        engine.timeout = ms(700);
        engine.assert_connect("0 ::1, 250 1.1.1.1, 500 1.1.1.1", "700 Timeout");
    }

    #[test]
    fn a_backend_without_an_address_is_a_failed_connect() {
        Engine::new(&[]).assert_connect("", "0 Connect");
    }
}
