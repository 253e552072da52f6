//! 100,000 deadlines that are moved all the time: the chapter's timing wheel compared with a sorted set.
//!
//! An event loop does this for its connections: nearly every deadline is moved before it passes, because bytes have
//! arrived. Some clients stay silent, and theirs pass. A sorted set (a `BTreeMap` without values) searches twice for
//! each move; a wheel links the timer into another slot. The price is resolution: a wheel counts time in ticks, so a
//! timer fires up to one tick late.
//!
//! ```console
//! $ cargo run -p chapter-05-high-perf-io --release --example timer_wheel
//! ```
//!
//! Change `TIMERS` and see which numbers depend on it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use common::{clock::now, outln};
use high_perf_io::wheel::{TICK, Wheel};

const TIMERS: u32 = 100_000;
/// How many of them belong to silent clients, and are not moved.
const SILENT: u32 = 1_000;
/// Moves between two readings of the clock, as many as a batch of events may cause.
const BATCH: u32 = 100;
const DURATION: Duration = Duration::from_secs(2);

/// The operations of both.
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

/// Deadlines in order, and the deadline of each timer, to find its entry.
#[derive(Debug, Default)]
struct Sorted {
    order: BTreeSet<(Instant, u32)>,
    armed: Vec<Option<Instant>>,
}

impl Timers for Sorted {
    fn arm(&mut self, id: u32, at: Instant) {
        let index = id as usize;
        self.armed.resize(self.armed.len().max(index + 1), None);
        if let Some(before) = self.armed[index].replace(at) {
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

/// A load of clients, one timer each.
#[derive(Debug)]
struct Load<T> {
    timers: T,
    due: Vec<Instant>,
    random: u32,
}

/// The results of a run.
#[derive(Debug, Default)]
struct Run {
    moves: u32,
    /// How late each timer fired.
    late: Vec<Duration>,
}

impl<T: Timers> Load<T> {
    fn new(timers: T) -> Self {
        Self { timers, due: vec![now(); TIMERS as usize], random: 1 }
    }

    /// An active client gets a deadline of a minute each time, a silent one up to a fifth of a second.
    fn arm(&mut self, id: u32, now: Instant) {
        let millis = if id < SILENT { 20 + self.below(180) } else { 60_000 };
        self.due[id as usize] = now + Duration::from_millis(millis.into());
        self.timers.arm(id, self.due[id as usize]);
    }

    fn run(&mut self, duration: Duration) -> Run {
        let (mut run, begin) = (Run::default(), now());
        (0..TIMERS).for_each(|id| self.arm(id, begin));
        loop {
            let now = now();
            while let Some(id) = self.timers.expire(now) {
                run.late.push(now.checked_duration_since(self.due[id as usize]).expect("no timer fires early"));
                self.arm(id, now);
            }
            if now >= begin + duration {
                return run;
            }
            for _ in 0..BATCH {
                let id = SILENT + self.below(TIMERS - SILENT);
                self.arm(id, now);
            }
            run.moves += BATCH;
        }
    }

    /// Pseudo-random numbers (xorshift32, Marsaglia 2003).
    fn below(&mut self, bound: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random % bound
    }
}

fn show(name: &str, mut run: Run, duration: Duration) {
    run.late.sort_unstable();
    let per_second = f64::from(run.moves) / duration.as_secs_f64() / 1e6;
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
    show("wheel     ", Load::new(Wheel::new(now())).run(DURATION), DURATION);
    show("sorted set", Load::new(Sorted::default()).run(DURATION), DURATION);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_clients_time_out_and_active_ones_do_not() {
        // `run` itself asserts that no timer fires early. Each silent one fires at least once in this time.
        let duration = Duration::from_millis(400);
        for run in [Load::new(Wheel::new(now())).run(duration), Load::new(Sorted::default()).run(duration)] {
            assert!(run.moves > 0 && run.late.len() >= SILENT as usize, "{}", run.late.len());
        }
    }
}
