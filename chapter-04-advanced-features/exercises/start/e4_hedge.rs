//! Exercise 4.4: ask a second time, before the first has failed (an evening).
//!
//! **Contract.** [`hedging`] makes a [`Hedging`] for one group. It sends nothing itself: it says what is to be sent.
//!
//! - **How long to wait.** Of the last `window` first attempts whose time is known, sorted, the delay is the one at
//!   place ⌈count × `percentile` / 100⌉, counted from 1. With fewer than `at_least` known there is none. A request has
//!   the delay that holds when it begins, whatever comes later. It is due when the delay is over, in that very moment.
//! - **What is known.** A first attempt that is answered has taken until then. One whose request is over because the
//!   second was quicker has taken *at least* until then, and counts so. A failure, a client that has left, and second
//!   attempts say nothing.
//! - **Who is asked twice.** A request that is repeatable, due, and waits for its first attempt: once. Each one costs a
//!   second attempt of those that are saved. Each request that begins, repeatable or not, earns `earned_percent`
//!   hundredths of one, until `saved` are there. One that is due when less than a whole one is left is never asked
//!   twice.
//! - **How it ends.** The first answer is delivered, and the other attempt cancelled. A failure is waited out while the
//!   other attempt is under way, else the request has failed. Whatever comes after the end of a request or of an
//!   attempt, or of a request that never began, is ignored.
//! - `wake` is the moment in which the next request will be due; `None` if none waits.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::contracts::{Attempt, Hedge, Hedging, Verdict};

/// After so long a request is sent again. Is it too long, or too short?
const DELAY: Duration = Duration::from_millis(50);

/// The requests under way.
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
        let Some(over) = self.requests.remove(&request) else { return Verdict::Ignore };
        let other = if attempt == Attempt::First { Attempt::Second } else { Attempt::First };
        Verdict::Deliver { cancel: over.is_hedged.then_some(other) }
    }

    fn failed(&mut self, request: u64, _attempt: Attempt, _now: Instant) -> Verdict {
        self.requests.remove(&request).map_or(Verdict::Ignore, |_| Verdict::Fail)
    }

    fn left(&mut self, request: u64) {
        self.requests.remove(&request);
    }
}
