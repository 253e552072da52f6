//! A simulation of a peer and its clients, event by event, for the checks of exercise 6.4.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use common::clock::now;
use exercises_06::contracts::{Event, Limits, PoolState, Preconnect};
use integration_tests::rng::Rng;

/// All times are microseconds since the start.
type Micros = u64;
const SECOND: Micros = 1_000_000;
const TICK: Micros = SECOND / 10;
/// The idle timeout of a connection.
const IDLE_TIMEOUT: Micros = 10 * SECOND;

/// The load during a phase.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Requests per second, on average.
    pub(crate) rate: usize,
    /// How long a connect takes, plus or minus a quarter.
    pub(crate) connect_ms: u64,
    /// How long a request takes on average: between zero and twice this.
    pub(crate) serve_ms: u64,
    /// Whether a connection can be reused.
    pub(crate) is_reusable: bool,
    /// Whether connects fail.
    pub(crate) is_down: bool,
}

/// The counts of a phase.
#[derive(Debug, Default)]
pub(crate) struct PhaseCounts {
    pub(crate) requests: usize,
    pub(crate) waited: usize,
    pub(crate) connects: usize,
    /// Idle connections × microseconds.
    idle_time: u64,
    pub(crate) length: Micros,
}

impl PhaseCounts {
    /// The average number of idle connections.
    pub(crate) fn idle(&self) -> u64 {
        self.idle_time / self.length
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scheduled {
    Request,
    Connected { took: Micros },
    Failed,
    Served,
    Tick,
}

pub(crate) struct Simulation<P> {
    policy: P,
    limits: Limits,
    begin: Instant,
    at: Micros,
    random: Rng,
    /// Future events, with a sequence number that keeps events of the same time in order.
    due: BinaryHeap<Reverse<(Micros, usize, Scheduled)>>,
    sequence: usize,
    pool: PoolState,
    /// Since when each connection is idle; the last one is taken.
    idle: VecDeque<Micros>,
    load: Load,
    counts: PhaseCounts,
}

impl<P: Preconnect> Simulation<P> {
    pub(crate) fn new(new: fn(Limits) -> P, limits: Limits, load: Load, seed: u64) -> Self {
        let mut simulation = Self {
            policy: new(limits),
            limits,
            begin: now(),
            at: 0,
            random: Rng::new(seed),
            due: BinaryHeap::new(),
            sequence: 0,
            pool: PoolState::default(),
            idle: VecDeque::new(),
            load,
            counts: PhaseCounts::default(),
        };
        simulation.schedule(TICK, Scheduled::Tick);
        simulation
    }

    /// Simulates this load for some seconds.
    pub(crate) fn run_phase(&mut self, load: Load, seconds: u64) -> PhaseCounts {
        (self.load, self.counts) = (load, PhaseCounts::default());
        self.due.retain(|Reverse((.., due))| *due != Scheduled::Request);
        self.next_request();
        let end = self.at + seconds * SECOND;
        while let Some(Reverse((at, _, due))) = self.due.pop() {
            self.counts.idle_time += self.idle.len() as u64 * (at.min(end) - self.at);
            self.at = at.min(end);
            if at >= end {
                self.schedule(at - end, due);
                break;
            }
            self.run_event(due);
        }
        PhaseCounts { length: seconds * SECOND, ..std::mem::take(&mut self.counts) }
    }

    fn schedule(&mut self, delay: Micros, due: Scheduled) {
        self.sequence += 1;
        self.due.push(Reverse((self.at + delay, self.sequence, due)));
    }

    /// In each tenth of a millisecond a request arrives or not.
    fn next_request(&mut self) {
        if self.load.rate > 0 {
            let mut gap = 100;
            while self.random.below(10_000) >= self.load.rate {
                gap += 100;
            }
            self.schedule(gap, Scheduled::Request);
        }
    }

    fn run_event(&mut self, due: Scheduled) {
        let event = match due {
            Scheduled::Request => {
                self.counts.requests += 1;
                if self.idle.pop_back().is_some() {
                    self.serve();
                } else {
                    self.pool.waiting += 1;
                    self.counts.waited += 1;
                }
                self.next_request();
                Event::RequestArrived
            }
            Scheduled::Connected { took } => {
                self.pool.connecting -= 1;
                self.offer_connection();
                Event::Connected { took: Duration::from_micros(took) }
            }
            Scheduled::Failed => {
                self.pool.connecting -= 1;
                self.pool.waiting = self.pool.waiting.saturating_sub(1);
                Event::ConnectFailed
            }
            Scheduled::Served => {
                self.pool.in_use -= 1;
                if self.load.is_reusable {
                    self.offer_connection();
                    Event::Released
                } else {
                    Event::Closed
                }
            }
            Scheduled::Tick => {
                self.schedule(TICK, Scheduled::Tick);
                while self.idle.pop_front_if(|since| *since + IDLE_TIMEOUT <= self.at).is_some() {
                    self.decide(Event::Closed);
                }
                Event::Tick
            }
        };
        self.decide(event);
    }

    fn serve(&mut self) {
        self.pool.in_use += 1;
        let serve = self.load.serve_ms * 1_000;
        let takes = self.random.below(usize::try_from(2 * serve).unwrap()) as u64;
        self.schedule(takes, Scheduled::Served);
    }

    /// A connection is available: a waiting request takes it, or it becomes idle.
    fn offer_connection(&mut self) {
        if self.pool.waiting > 0 {
            self.pool.waiting -= 1;
            self.serve();
        } else {
            self.idle.push_back(self.at);
        }
    }

    fn decide(&mut self, event: Event) {
        self.pool.idle = self.idle.len();
        let at = self.begin + Duration::from_micros(self.at);
        let connects = self.policy.decide(event, self.pool, at);
        let context = format!("{event:?} after {:?}: {:?}", Duration::from_micros(self.at), self.pool);
        assert_allowed(self.limits, self.pool, connects, &context);
        self.counts.connects += connects;
        self.pool.connecting += connects;
        for _ in 0..connects {
            let connect = self.load.connect_ms * 1_000;
            let took = connect * 3 / 4 + self.random.below(usize::try_from(connect / 2).unwrap()) as u64;
            let due = if self.load.is_down { Scheduled::Failed } else { Scheduled::Connected { took } };
            self.schedule(took, due);
        }
    }
}

/// Asserts the limits that every decision must keep, whatever happened before.
pub(crate) fn assert_allowed(limits: Limits, pool: PoolState, connects: usize, context: &str) {
    let PoolState { waiting, in_use, idle, connecting } = pool;
    let existing = in_use + idle + connecting;
    let capacity = limits.max_connections.saturating_sub(existing);
    assert!(
        connects <= capacity,
        "{context}: {connects} connects start, and the limit is {} in total",
        limits.max_connections
    );
    let required = waiting.saturating_sub(connecting).min(capacity);
    assert!(connects >= required, "{context}: {connects} connects start, but {required} waiting requests have none");
    let ahead = idle + connecting + connects;
    let is_bounded = connects == required || ahead <= waiting + limits.max_ahead;
    assert!(
        is_bounded,
        "{context}: {connects} connects start; more than {} would be ahead of the waiting requests",
        limits.max_ahead
    );
}
