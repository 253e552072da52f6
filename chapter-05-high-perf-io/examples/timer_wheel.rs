//! 100,000 deadlines that are moved all the time: the chapter's wheel beside a sorted set.
//!
//! This is what a loop does with its connections: nearly every deadline is moved before it passes, because bytes have
//! come. Some clients stay silent, and theirs do pass. A sorted set (a `BTreeMap` without values) searches twice for
//! each move; a wheel links the timer into another slot. Its price is that it knows time in ticks only, so that a
//! timer fires up to a tick later.
//!
//! ```console
//! $ cargo run -p chapter-05-high-perf-io --release --example timer_wheel
//! ```
//!
//! Change `TIMERS` and see what depends on it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use common::{clock::now, outln};
use high_perf_io::wheel::{TICK, Wheel};

const TIMERS: u32 = 100_000;
/// Those of clients that stay silent.
const SILENT: u32 = 1_000;
/// Moves between two looks at the clock, as many as a batch of events may bring.
const BATCH: u32 = 100;
const LASTS: Duration = Duration::from_secs(2);

/// What both can do.
trait Timers {
    fn arm(&mut self, id: u32, at: Instant);
    fn expire(&mut self, now: Instant) -> Option<u32>;
}

impl Timers for Wheel {
    fn arm(&mut self, id: u32, at: Instant) {
        Wheel::arm(self, id, at);
    }

    fn expire(&mut self, now: Instant) -> Option<u32> {
        Wheel::expire(self, now)
    }
}

/// Deadlines in their order, and for each timer where it stands in it.
#[derive(Debug, Default)]
struct Sorted {
    order: BTreeSet<(Instant, u32)>,
    armed: Vec<Option<Instant>>,
}

impl Timers for Sorted {
    fn arm(&mut self, id: u32, at: Instant) {
        let place = id as usize;
        self.armed.resize(self.armed.len().max(place + 1), None);
        if let Some(before) = self.armed[place].replace(at) {
            self.order.remove(&(before, id));
        }
        self.order.insert((at, id));
    }

    fn expire(&mut self, now: Instant) -> Option<u32> {
        let (at, id) = *self.order.first().filter(|(at, _)| *at <= now)?;
        self.order.remove(&(at, id));
        self.armed[id as usize] = None;
        Some(id)
    }
}

/// Clients, by their timers.
#[derive(Debug)]
struct Load<T> {
    timers: T,
    due: Vec<Instant>,
    random: u32,
}

/// What a run has shown.
#[derive(Debug, Default)]
struct Run {
    moves: u32,
    /// By how much each timer that fired was late.
    late: Vec<Duration>,
}

impl<T: Timers> Load<T> {
    fn new(timers: T) -> Self {
        Self { timers, due: vec![now(); TIMERS as usize], random: 1 }
    }

    /// A client that talks is given a minute each time, one that stays silent up to a fifth of a second.
    fn arm(&mut self, id: u32, now: Instant) {
        let millis = if id < SILENT { 20 + self.below(180) } else { 60_000 };
        self.due[id as usize] = now + Duration::from_millis(millis.into());
        self.timers.arm(id, self.due[id as usize]);
    }

    fn run(&mut self, lasts: Duration) -> Run {
        let (mut run, begin) = (Run::default(), now());
        (0..TIMERS).for_each(|id| self.arm(id, begin));
        loop {
            let now = now();
            while let Some(id) = self.timers.expire(now) {
                run.late.push(now.checked_duration_since(self.due[id as usize]).expect("no timer fires early"));
                self.arm(id, now);
            }
            if now >= begin + lasts {
                return run;
            }
            for _ in 0..BATCH {
                let id = SILENT + self.below(TIMERS - SILENT);
                self.arm(id, now);
            }
            run.moves += BATCH;
        }
    }

    /// Numbers in no order that matters (xorshift32, Marsaglia 2003).
    fn below(&mut self, bound: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random % bound
    }
}

fn show(name: &str, mut run: Run, lasts: Duration) {
    run.late.sort_unstable();
    let per_second = f64::from(run.moves) / lasts.as_secs_f64() / 1e6;
    let (fired, last) = (run.late.len(), run.late.last().copied().unwrap_or_default());
    let median = run.late.get(fired / 2).copied().unwrap_or_default();
    outln!("{name}  {per_second:12.1}  {fired:6}  {:10.1}  {:7.1}", millis(median), millis(last));
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn main() {
    outln!("{TIMERS} timers, of which {SILENT} are not moved; a tick is {} ms", TICK.as_millis());
    outln!("          million moves/s   fired  median late   latest (ms)");
    show("wheel     ", Load::new(Wheel::new(now())).run(LASTS), LASTS);
    show("sorted set", Load::new(Sorted::default()).run(LASTS), LASTS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_clients_time_out_and_those_that_talk_do_not() {
        // No timer is early, which `run` itself asserts. Each silent one fires at least once in this time.
        let lasts = Duration::from_millis(400);
        for run in [Load::new(Wheel::new(now())).run(lasts), Load::new(Sorted::default()).run(lasts)] {
            assert!(run.moves > 0 && run.late.len() >= SILENT as usize, "{}", run.late.len());
        }
    }
}
