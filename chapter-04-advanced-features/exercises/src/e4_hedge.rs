//! Exercise 4.4: send a second attempt before the first has failed (an evening).
//!
//! **Contract.** [`hedging`] makes a [`Hedging`] for one group. It sends nothing itself: it says what to send.
//!
//! - **The delay.** Of the last `window` first attempts whose latency is known, sorted, the delay is the one of rank
//!   ⌈count × `percentile` / 100⌉, counted from 1. With fewer than `at_least` known there is no delay. A request keeps
//!   the delay that holds when it begins. It is due at the very moment the delay is over.
//! - **Known latencies.** A first attempt that is answered has taken until then. One whose request is over because the
//!   second was faster has taken *at least* until then, and counts as that long. A failure, a client that has left, and
//!   second attempts add no latency.
//! - **Second attempts.** A request that is repeatable, due, and waits for its first attempt is sent again, once. Each
//!   second attempt costs one of those that are saved. Each request that begins, repeatable or not, earns
//!   `earned_percent` hundredths of one, up to `saved`. A request that is due when less than a whole one is left is
//!   never sent twice.
//! - **The end.** The first response is delivered, and the other attempt cancelled. After a failure the request waits
//!   for the other attempt if that is running, else it has failed. Events after the end of a request or of an attempt,
//!   or for a request that never began, are ignored.
//! - `wake` is the time at which the next request becomes due; `None` if none waits.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::contracts::{Attempt, Hedge, Hedging, Verdict};

/// The delay before a request is sent again. Is it too long, or too short?
const DELAY: Duration = Duration::from_millis(50);

/// The requests in flight.
#[derive(Debug)]
pub struct Hedger {
    requests: HashMap<u64, Request>,
}

#[derive(Debug)]
struct Request {
    due: Instant,
    is_hedged: bool,
}

/// No requests yet.
pub fn hedging(_hedge: Hedge) -> Hedger {
    Hedger { requests: HashMap::new() }
}

impl Hedging for Hedger {
    fn begin(&mut self, request: u64, _repeatable: bool, now: Instant) {
        self.requests.insert(request, Request { due: now + DELAY, is_hedged: false });
    }

    fn wake(&self) -> Option<Instant> {
        self.requests.values().filter(|request| !request.is_hedged).map(|request| request.due).min()
    }

    fn due(&mut self, now: Instant) -> Vec<u64> {
        let due = self.requests.iter_mut().filter(|(_, request)| !request.is_hedged && request.due <= now);
        due.map(|(number, request)| {
            request.is_hedged = true;
            *number
        })
        .collect()
    }

    fn answered(&mut self, request: u64, attempt: Attempt, _now: Instant) -> Verdict {
        let Some(ended) = self.requests.remove(&request) else { return Verdict::Ignore };
        let other = if attempt == Attempt::First { Attempt::Second } else { Attempt::First };
        Verdict::Deliver { cancel: ended.is_hedged.then_some(other) }
    }

    fn failed(&mut self, request: u64, _attempt: Attempt, _now: Instant) -> Verdict {
        self.requests.remove(&request).map_or(Verdict::Ignore, |_| Verdict::Fail)
    }

    fn left(&mut self, request: u64) {
        self.requests.remove(&request);
    }
}
