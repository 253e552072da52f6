//! Exercise 6.4, solved.
//!
//! A connect that starts now is established one connect time later. So the pool has to hold as many connections as will
//! be needed by then. The best estimate is the recent maximum that was needed within one connect time: each request
//! needs one, and each returned connection is one less. One more is added, because the maximum may be exceeded. The
//! mean would not do: with that many ready, half of the requests wait.
//!
//! Two sliding-window maxima are enough. Old values leave the window, so a burst does not cost connections all day, and
//! a backend that has become fast again is treated as fast.
//!
//! A ratio, as in Envoy, uses the number of requests in flight. What matters is the number of arrivals during one
//! connect, which is the same for requests of a millisecond and of a minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::contracts::{Event, Limits, PoolState, Preconnect};

/// The window: how long a burst or a slow connect is remembered.
const WINDOW: Duration = Duration::from_secs(5);

/// A policy based on the recent need.
#[derive(Debug)]
pub struct WindowMaximum {
    limits: Limits,
    /// Requests that took a connection, minus connections that were returned.
    need: i64,
    /// Past values of `need`, negated: the largest is the minimum of `need`.
    lows: SlidingMaximum<i64>,
    /// How much `need` rose within one connect time.
    rises: SlidingMaximum<i64>,
    connects: SlidingMaximum<Duration>,
    /// Nothing is opened ahead before this.
    backoff_until: Option<Instant>,
}

/// A sliding-window maximum. A value that is followed by one as large is never the maximum again, so the stored values
/// decrease from front to back.
#[derive(Debug)]
struct SlidingMaximum<T>(VecDeque<(Instant, T)>);

impl<T: Ord + Copy> SlidingMaximum<T> {
    fn add(&mut self, value: T, now: Instant) {
        while self.0.pop_back_if(|(_, before)| *before <= value).is_some() {}
        self.0.push_back((now, value));
    }

    fn within(&mut self, length: Duration, now: Instant) -> Option<T> {
        while self.0.pop_front_if(|(at, _)| now.saturating_duration_since(*at) > length).is_some() {}
        self.0.front().map(|(_, value)| *value)
    }
}

/// A policy that has seen no event yet.
pub fn preconnect(limits: Limits) -> WindowMaximum {
    let (lows, rises) = (SlidingMaximum(VecDeque::new()), SlidingMaximum(VecDeque::new()));
    WindowMaximum { limits, need: 0, lows, rises, connects: SlidingMaximum(VecDeque::new()), backoff_until: None }
}

impl WindowMaximum {
    fn record(&mut self, event: Event, now: Instant) {
        match event {
            Event::RequestArrived => {
                // `need` had this value until now, however long ago it got it.
                self.lows.add(-self.need, now);
                self.need += 1;
                let connect = self.connects.within(WINDOW, now).unwrap_or_default();
                let low = self.lows.within(connect, now).unwrap_or(-self.need);
                self.rises.add(self.need + low, now);
            }
            Event::Released => {
                self.need -= 1;
                self.lows.add(-self.need, now);
            }
            Event::Connected { took } => self.connects.add(took, now),
            Event::ConnectFailed => self.backoff_until = now.checked_add(self.limits.backoff),
            Event::Closed | Event::Tick => {}
        }
    }

    /// How many connections should be idle or connecting, beyond the waiting requests.
    fn target(&mut self, now: Instant) -> usize {
        if self.backoff_until.is_some_and(|until| now < until) {
            return 0;
        }
        let rise = self.rises.within(WINDOW, now).map_or(0, |rise| rise + 1);
        usize::try_from(rise).unwrap_or(0).min(self.limits.max_ahead)
    }
}

impl Preconnect for WindowMaximum {
    fn decide(&mut self, event: Event, pool: PoolState, now: Instant) -> usize {
        self.record(event, now);
        let PoolState { waiting, in_use, idle, connecting } = pool;
        let needed = waiting + self.target(now);
        let capacity = self.limits.max_connections.saturating_sub(in_use + idle + connecting);
        needed.saturating_sub(idle + connecting).min(capacity)
    }
}
