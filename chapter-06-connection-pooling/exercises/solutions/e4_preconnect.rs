//! Exercise 6.4, solved.
//!
//! A connection that is begun now is there in one connect time. So there have to be as many as will be needed by then,
//! and the best guess is the most that were needed within one connect time lately: each request needs one, each that is
//! given back is one less. And one more, as lately is not for ever. Not the mean: with that ready, half of them wait.
//!
//! Two memories do it, each the largest of what was seen within a while. They forget by themselves, so a burst is not
//! paid for all day, and a backend that has become quick again is believed.
//!
//! A ratio, as Envoy has it, asks how many requests are under way. What counts is how many begin while one connects:
//! the same for requests of a millisecond and of a minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::contracts::{Event, Limits, Pool, Preconnect};

/// How long a burst is remembered, and a slow connect.
const MEMORY: Duration = Duration::from_secs(5);

/// Decides by what was needed lately.
#[derive(Debug)]
pub struct Lately {
    limits: Limits,
    /// Requests that took a connection, less those that gave one back.
    need: i64,
    /// What `need` was, negative: the largest is the lowest that it was.
    lows: Largest<i64>,
    /// By how much `need` rose within one connect time.
    rises: Largest<i64>,
    connects: Largest<Duration>,
    /// Nothing is opened ahead before.
    pause_until: Option<Instant>,
}

/// The largest of what was seen within a while. What is followed by something as large is of no use any more, so what is
/// kept falls from front to back.
#[derive(Debug)]
struct Largest<T>(VecDeque<(Instant, T)>);

impl<T: Ord + Copy> Largest<T> {
    fn add(&mut self, value: T, now: Instant) {
        while self.0.pop_back_if(|(_, before)| *before <= value).is_some() {}
        self.0.push_back((now, value));
    }

    fn within(&mut self, length: Duration, now: Instant) -> Option<T> {
        while self.0.pop_front_if(|(at, _)| now.saturating_duration_since(*at) > length).is_some() {}
        self.0.front().map(|(_, value)| *value)
    }
}

/// Knows nothing yet.
pub fn preconnect(limits: Limits) -> Lately {
    let (lows, rises) = (Largest(VecDeque::new()), Largest(VecDeque::new()));
    Lately { limits, need: 0, lows, rises, connects: Largest(VecDeque::new()), pause_until: None }
}

impl Lately {
    fn learn(&mut self, event: Event, now: Instant) {
        match event {
            Event::Taken => {
                // It was so until now, however long ago it became so.
                self.lows.add(-self.need, now);
                self.need += 1;
                let connect = self.connects.within(MEMORY, now).unwrap_or_default();
                let low = self.lows.within(connect, now).unwrap_or(-self.need);
                self.rises.add(self.need + low, now);
            }
            Event::GivenBack => {
                self.need -= 1;
                self.lows.add(-self.need, now);
            }
            Event::Connected { took } => self.connects.add(took, now),
            Event::Failed => self.pause_until = now.checked_add(self.limits.pause),
            Event::Closed | Event::Tick => {}
        }
    }

    /// How many are to be ready or in the making.
    fn target(&mut self, now: Instant) -> usize {
        if self.pause_until.is_some_and(|until| now < until) {
            return 0;
        }
        let rise = self.rises.within(MEMORY, now).map_or(0, |rise| rise + 1);
        usize::try_from(rise).unwrap_or(0).min(self.limits.ahead)
    }
}

impl Preconnect for Lately {
    fn decide(&mut self, event: Event, pool: Pool, now: Instant) -> usize {
        self.learn(event, now);
        let Pool { waiting, in_use, idle, connecting } = pool;
        let wanted = waiting + self.target(now);
        let room = self.limits.total.saturating_sub(in_use + idle + connecting);
        wanted.saturating_sub(idle + connecting).min(room)
    }
}
