//! Exercise 4.4: request hedging (an evening).
//!
//! **Contract.** [`hedging`] makes a [`Hedging`] for one group. It sends nothing itself: it returns what to send.
//!
//! - **The delay.** Of the last `window` first attempts whose latency is known, sorted, the delay is the one of rank
//!   ⌈count × `percentile` / 100⌉, counted from 1. With fewer than `min_latencies` known there is no delay. A request
//!   keeps the delay that holds when it begins. It is due exactly when the delay is over.
//! - **Known latencies.** A first attempt that is answered has taken until then. One whose request is over because the
//!   second was faster has taken *at least* until then, and counts as that long. A failure, a client that has
//!   disconnected, and second attempts add no latency.
//! - **Second attempts.** A request that is idempotent, due, and waits for its first attempt is sent again, once. Each
//!   second attempt takes one from the budget. Each request that begins, idempotent or not, adds `budget_percent`
//!   hundredths of one, up to `max_budget`. A request that is due when the budget is less than one is never sent twice.
//! - **The end.** The first response is delivered, and the other attempt cancelled. After a failure the request waits
//!   for the other attempt if that is running, else it has failed. Events after the end of a request or of an attempt,
//!   or for a request that never began, are ignored.
//! - `next_due` is the time at which the next request becomes due; `None` if none waits.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::contracts::{Attempt, Hedging, HedgingAction, HedgingPolicy};

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
pub fn hedging(_policy: HedgingPolicy) -> Hedger {
    Hedger { requests: HashMap::new() }
}

impl Hedging for Hedger {
    fn begin(&mut self, request: u64, _is_idempotent: bool, now: Instant) {
        self.requests.insert(request, Request { due: now + DELAY, is_hedged: false });
    }

    fn next_due(&self) -> Option<Instant> {
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

    fn responded(&mut self, request: u64, attempt: Attempt, _now: Instant) -> HedgingAction {
        let Some(ended) = self.requests.remove(&request) else { return HedgingAction::Ignore };
        let other = if attempt == Attempt::First { Attempt::Second } else { Attempt::First };
        HedgingAction::Deliver { cancel: ended.is_hedged.then_some(other) }
    }

    fn failed(&mut self, request: u64, _attempt: Attempt, _now: Instant) -> HedgingAction {
        self.requests.remove(&request).map_or(HedgingAction::Ignore, |_| HedgingAction::Fail)
    }

    fn client_closed(&mut self, request: u64) {
        self.requests.remove(&request);
    }
}
