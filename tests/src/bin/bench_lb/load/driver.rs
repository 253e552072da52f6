//! The event loop that drives the clients, a phase at a time: warm-up, measured window, last responses.
//!
//! Nothing is lost between two phases: responses that arrive meanwhile wait in their sockets. So the caller may read
//! the target's CPU time, or kill a backend, between two calls of [`run`](Load::run).

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use common::shutdown::Shutdown;
use mio::{Events, Poll, Token};

use super::{
    Load,
    arrivals::Arrivals,
    client::{Client, Progress},
    failure::Failure,
    request::Request,
    tally::Tally,
};
use crate::{clock, kernel::Timer};

/// The most bytes of one read: large enough that a body of megabytes takes few calls.
const SCRATCH_BYTES: usize = 256 * 1024;

/// The pause of a client after a failure: it would retry a dead port a hundred thousand times a second, and starve the
/// rest.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(10);

/// The distance between the first keys of two clients, so that they do not request the same keys together. A prime.
const KEY_DISTANCE: usize = 67;

/// How many clients of [`SendMode::Once`] connect at the same time: fewer than the shortest accept queue.
const MAX_CONCURRENT_CONNECTS: usize = 64;

/// When a client sends its next request.
#[derive(Debug)]
pub(crate) enum SendMode {
    /// When it has the response to the last one.
    Closed,
    /// When one is due, from any free client.
    Open(Arrivals),
    /// Never: each client sends one request, and keeps its connection.
    Once,
}

/// All clients of a round.
pub(crate) struct Driver<'a> {
    to: SocketAddr,
    request: Request,
    mode: SendMode,
    poll: Poll,
    events: Events,
    timer: Option<Timer>,
    clients: Vec<Client>,
    scratch: Vec<u8>,
    /// Idle clients. First in, first out: all connections stay in use.
    free: VecDeque<usize>,
    /// Clients that failed, and until when they pause.
    paused: VecDeque<(Instant, usize)>,
    /// Requests of an open loop for which no client was free.
    backlog: VecDeque<Instant>,
    /// Whether new requests are sent.
    accepting: bool,
    tally: Tally,
    stop: &'a Shutdown,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(
        to: SocketAddr,
        request: Request,
        clients: usize,
        mode: SendMode,
        stop: &'a Shutdown,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = match mode {
            SendMode::Open(_) => Some(Timer::new(poll.registry(), Token(clients))?),
            SendMode::Closed | SendMode::Once => None,
        };
        let now = clock::now();
        Ok(Self {
            to,
            poll,
            events: Events::with_capacity(1024),
            timer,
            clients: (0..clients).map(|at| Client::new(request.answer_bytes, KEY_DISTANCE * at, now)).collect(),
            request,
            mode,
            scratch: vec![0; SCRATCH_BYTES],
            free: (0..clients).collect(),
            paused: VecDeque::new(),
            backlog: VecDeque::new(),
            accepting: false,
            tally: Tally::new(),
            stop,
        })
    }

    /// Lets every client send one request, a few at a time, within `timeout`; returns how many stay connected.
    pub(crate) fn request_once(&mut self, timeout: Duration) -> io::Result<usize> {
        let end = clock::now() + timeout;
        let mut waiting = std::mem::take(&mut self.free);
        while !self.stop.is_draining() && clock::now() < end {
            let in_flight = self.clients.iter().filter(|client| client.is_in_flight()).count();
            if waiting.is_empty() && in_flight == 0 {
                break;
            }
            for _ in in_flight..MAX_CONCURRENT_CONNECTS {
                let Some(at) = waiting.pop_front() else { break };
                self.start(at, clock::now());
            }
            self.poll_events(end)?;
        }
        self.drain(Duration::ZERO)?;
        Ok(self.clients.iter().filter(|client| client.is_connected()).count())
    }

    fn is_busy(&self) -> bool {
        !self.backlog.is_empty() || self.clients.iter().any(Client::is_in_flight)
    }

    /// Waits, at most until `end`, and handles the events; returns the time after the wait.
    fn poll_events(&mut self, end: Instant) -> io::Result<Instant> {
        let before = clock::now();
        let paused_until = self.paused.front().map_or(end, |(until, _)| *until);
        let mut wait = end.min(paused_until).saturating_duration_since(before);
        if let (SendMode::Open(arrivals), Some(timer), true) = (&self.mode, &self.timer, self.accepting) {
            let due = arrivals.wait(before);
            if due.is_zero() {
                wait = Duration::ZERO;
            } else {
                timer.set(due)?;
            }
        }
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => result?,
        }
        let now = clock::now();
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let Token(at) = event.token();
            if let Some(client) = self.clients.get_mut(at) {
                let progress = client.ready(&self.request, event, &mut self.scratch, clock::now);
                self.on_progress(at, progress);
            }
        }
        self.events = events;
        self.resume_paused(now);
        self.send_due(now);
        Ok(now)
    }

    /// Handles a client's progress. A closed loop sends the next request at once, so this may repeat several times.
    fn on_progress(&mut self, at: usize, mut progress: Progress) {
        loop {
            match progress {
                Progress::Wait => return,
                Progress::ResponseReceived { latency, free } => {
                    self.tally.record_response(latency);
                    if !free {
                        return;
                    }
                }
                Progress::Free => {}
                Progress::Failed(why) => {
                    self.tally.record_failure(why);
                    self.paused.push_back((clock::now() + PAUSE_AFTER_FAILURE, at));
                    return;
                }
            }
            let due = match self.mode {
                SendMode::Closed if self.accepting => Some(clock::now()),
                SendMode::Open(_) => self.backlog.pop_front(),
                SendMode::Closed | SendMode::Once => None,
            };
            let Some(due) = due else {
                self.free.push_back(at);
                return;
            };
            progress = self.clients[at].start(self.to, &self.request, due, (self.poll.registry(), Token(at)));
        }
    }

    fn start(&mut self, at: usize, due: Instant) {
        let progress = self.clients[at].start(self.to, &self.request, due, (self.poll.registry(), Token(at)));
        self.on_progress(at, progress);
    }

    fn start_on_free_client(&mut self, due: Instant) -> bool {
        let Some(at) = self.free.pop_front() else { return false };
        self.start(at, due);
        true
    }

    fn resume_paused(&mut self, now: Instant) {
        while let Some((_, at)) = self.paused.pop_front_if(|(until, _)| *until <= now) {
            self.on_progress(at, Progress::Free);
        }
    }

    /// Requests of an open loop that are due: each goes to a free client, or into the queue for one.
    fn send_due(&mut self, now: Instant) {
        while let SendMode::Open(arrivals) = &mut self.mode
            && self.accepting
            && let Some(due) = arrivals.due(now)
        {
            if !self.start_on_free_client(due) {
                self.backlog.push_back(due);
            }
        }
    }
}

impl Load for Driver<'_> {
    fn tally(&self) -> &Tally {
        &self.tally
    }

    fn reset(&mut self) {
        self.tally.reset();
    }

    fn run(&mut self, length: Duration) -> io::Result<Duration> {
        let start = clock::now();
        self.accepting = true;
        match &mut self.mode {
            SendMode::Closed => {
                for _ in 0..self.free.len() {
                    self.start_on_free_client(start);
                }
            }
            SendMode::Open(arrivals) => arrivals.resume(start),
            SendMode::Once => {}
        }
        let mut now = start;
        while now < start + length && !self.stop.is_draining() {
            now = self.poll_events(start + length)?;
        }
        self.accepting = false;
        Ok(now.saturating_duration_since(start))
    }

    fn drain(&mut self, grace: Duration) -> io::Result<()> {
        let end = clock::now() + grace;
        while self.is_busy() && clock::now() < end && !self.stop.is_draining() {
            self.poll_events(end)?;
        }
        for at in 0..self.clients.len() {
            if self.clients[at].is_in_flight() {
                self.clients[at].abandon();
                self.tally.record_failure(Failure::Unanswered);
                self.free.push_back(at);
            }
        }
        while self.backlog.pop_front().is_some() {
            self.tally.record_failure(Failure::Unanswered);
        }
        Ok(())
    }
}
