//! A peer and its clients, played event by event: what the checks of exercise 6.4 are made of.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use common::clock::now;
use exercises_06::contracts::{Event, Limits, Pool, Preconnect};
use integration_tests::seed::Seed;

/// All times are microseconds from the beginning.
type Micros = u64;
const SECOND: Micros = 1_000_000;
const TICK: Micros = SECOND / 10;
/// How long a connection may rest.
const REST: Micros = 10 * SECOND;

/// How it goes for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Requests in a second, on average.
    pub(crate) rate: usize,
    /// How long a connect takes, a quarter more or less.
    pub(crate) connect_ms: u64,
    /// How long a request takes, up to twice that.
    pub(crate) serve_ms: u64,
    /// Whether a connection can be used again.
    pub(crate) is_kept: bool,
    /// Whether connects fail.
    pub(crate) is_down: bool,
}

/// What was seen in a while.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: usize,
    pub(crate) waited: usize,
    pub(crate) connects: usize,
    /// Those that rest, times microseconds.
    rested: u64,
    pub(crate) length: Micros,
}

impl Seen {
    /// How many rested, on average.
    pub(crate) fn idle(&self) -> u64 {
        self.rested / self.length
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Request,
    Connected { took: Micros },
    Failed,
    Served,
    Tick,
}

pub(crate) struct World<P> {
    decides: P,
    limits: Limits,
    begin: Instant,
    at: Micros,
    random: Seed,
    /// What is to come, with a number that keeps things of the same time in order.
    due: BinaryHeap<Reverse<(Micros, usize, Due)>>,
    number: usize,
    pool: Pool,
    /// Since when each connection rests; the last one is taken.
    resting: VecDeque<Micros>,
    load: Load,
    seen: Seen,
}

impl<P: Preconnect> World<P> {
    pub(crate) fn new(new: fn(Limits) -> P, limits: Limits, load: Load, seed: u64) -> Self {
        let mut world = Self {
            decides: new(limits),
            limits,
            begin: now(),
            at: 0,
            random: Seed::new(seed),
            due: BinaryHeap::new(),
            number: 0,
            pool: Pool::default(),
            resting: VecDeque::new(),
            load,
            seen: Seen::default(),
        };
        world.later(TICK, Due::Tick);
        world
    }

    /// Goes on so for some seconds.
    pub(crate) fn play(&mut self, load: Load, seconds: u64) -> Seen {
        (self.load, self.seen) = (load, Seen::default());
        self.due.retain(|Reverse((.., due))| *due != Due::Request);
        self.next_request();
        let end = self.at + seconds * SECOND;
        while let Some(Reverse((at, _, due))) = self.due.pop() {
            self.seen.rested += self.resting.len() as u64 * (at.min(end) - self.at);
            self.at = at.min(end);
            if at >= end {
                self.later(at - end, due);
                break;
            }
            self.happen(due);
        }
        Seen { length: seconds * SECOND, ..std::mem::take(&mut self.seen) }
    }

    fn later(&mut self, delay: Micros, due: Due) {
        self.number += 1;
        self.due.push(Reverse((self.at + delay, self.number, due)));
    }

    /// In each tenth of a millisecond one comes or not.
    fn next_request(&mut self) {
        if self.load.rate > 0 {
            let mut gap = 100;
            while self.random.below(10_000) >= self.load.rate {
                gap += 100;
            }
            self.later(gap, Due::Request);
        }
    }

    fn happen(&mut self, due: Due) {
        let event = match due {
            Due::Request => {
                self.seen.requests += 1;
                if self.resting.pop_back().is_some() {
                    self.serve();
                } else {
                    self.pool.waiting += 1;
                    self.seen.waited += 1;
                }
                self.next_request();
                Event::Taken
            }
            Due::Connected { took } => {
                self.pool.connecting -= 1;
                self.hand_out();
                Event::Connected { took: Duration::from_micros(took) }
            }
            Due::Failed => {
                self.pool.connecting -= 1;
                self.pool.waiting = self.pool.waiting.saturating_sub(1);
                Event::Failed
            }
            Due::Served => {
                self.pool.in_use -= 1;
                if self.load.is_kept {
                    self.hand_out();
                    Event::GivenBack
                } else {
                    Event::Closed
                }
            }
            Due::Tick => {
                self.later(TICK, Due::Tick);
                while self.resting.pop_front_if(|since| *since + REST <= self.at).is_some() {
                    self.ask(Event::Closed);
                }
                Event::Tick
            }
        };
        self.ask(event);
    }

    fn serve(&mut self) {
        self.pool.in_use += 1;
        let serve = self.load.serve_ms * 1_000;
        let takes = self.random.below(usize::try_from(2 * serve).unwrap()) as u64;
        self.later(takes, Due::Served);
    }

    /// A connection can be used: by who waits, or later.
    fn hand_out(&mut self) {
        if self.pool.waiting > 0 {
            self.pool.waiting -= 1;
            self.serve();
        } else {
            self.resting.push_back(self.at);
        }
    }

    fn ask(&mut self, event: Event) {
        self.pool.idle = self.resting.len();
        let at = self.begin + Duration::from_micros(self.at);
        let connects = self.decides.decide(event, self.pool, at);
        let told = format!("{event:?} after {:?}: {:?}", Duration::from_micros(self.at), self.pool);
        law(self.limits, self.pool, connects, &told);
        self.seen.connects += connects;
        self.pool.connecting += connects;
        for _ in 0..connects {
            let connect = self.load.connect_ms * 1_000;
            let took = connect * 3 / 4 + self.random.below(usize::try_from(connect / 2).unwrap()) as u64;
            let due = if self.load.is_down { Due::Failed } else { Due::Connected { took } };
            self.later(took, due);
        }
    }
}

/// What holds for each decision, whatever was before.
pub(crate) fn law(limits: Limits, pool: Pool, connects: usize, told: &str) {
    let Pool { waiting, in_use, idle, connecting } = pool;
    let there = in_use + idle + connecting;
    let room = limits.total.saturating_sub(there);
    assert!(connects <= room, "{told}: {connects} connects begin, and there may be only {} in all", limits.total);
    let owed = waiting.saturating_sub(connecting).min(room);
    assert!(connects >= owed, "{told}: {connects} connects begin, but {owed} more wait than have one under way");
    let ahead = idle + connecting + connects;
    let is_bounded = connects == owed || ahead <= waiting + limits.ahead;
    assert!(
        is_bounded,
        "{told}: {connects} connects begin; more than {} would be ahead of those who wait",
        limits.ahead
    );
}
