//! Exercise 4.4, solved.
//!
//! What is waited for is kept in the order of time, what is under way by its number; whatever ends a request takes it
//! out of both. The delicate part is what is *not* seen: the first attempt that is cancelled was one of the slow ones.
//! Leave it out, and the delay is computed from the quick ones only, sinks, and more and more requests are sent twice.
//! Hedging, and the percentile as its delay, are Dean and Barroso's, *The Tail at Scale* (2013).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::contracts::{Attempt, Hedge, Hedging, Verdict};

/// One second attempt, in what is saved: hundredths, so that a hundred requests earn `earned_percent` exactly.
const WHOLE: u64 = 100;

/// The requests under way.
#[derive(Debug)]
pub struct Hedger {
    hedge: Hedge,
    /// Times of first attempts, the newest last.
    known: VecDeque<Duration>,
    saved: u64,
    waiting: BTreeSet<(Instant, u64)>,
    requests: HashMap<u64, Request>,
}

#[derive(Debug)]
struct Request {
    began: Instant,
    /// When it is to be sent again; `None` if never, or not any more.
    due: Option<Instant>,
    /// Its attempts that have not ended.
    running: Vec<Attempt>,
}

/// No requests yet.
pub fn hedging(hedge: Hedge) -> Hedger {
    Hedger {
        hedge,
        known: VecDeque::new(),
        saved: hedge.saved.saturating_mul(WHOLE),
        waiting: BTreeSet::new(),
        requests: HashMap::new(),
    }
}

impl Hedging for Hedger {
    fn begin(&mut self, request: u64, repeatable: bool, now: Instant) {
        self.saved = self.saved.saturating_add(self.hedge.earned_percent).min(self.hedge.saved.saturating_mul(WHOLE));
        let due = self.delay().filter(|_| repeatable).map(|delay| now + delay);
        self.waiting.extend(due.map(|due| (due, request)));
        self.requests.insert(request, Request { began: now, due, running: vec![Attempt::First] });
    }

    fn wake(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    fn due(&mut self, now: Instant) -> Vec<u64> {
        let mut sent = Vec::new();
        while let Some((_, number)) = self.waiting.first().copied().filter(|(due, _)| *due <= now) {
            self.waiting.pop_first();
            let Some(request) = self.requests.get_mut(&number) else { continue };
            request.due = None;
            if let Some(left) = self.saved.checked_sub(WHOLE) {
                self.saved = left;
                request.running.push(Attempt::Second);
                sent.push(number);
            }
        }
        sent
    }

    fn answered(&mut self, request: u64, attempt: Attempt, now: Instant) -> Verdict {
        if !self.has_ended(request, attempt) {
            return Verdict::Ignore;
        }
        let Some(over) = self.remove(request) else { return Verdict::Ignore };
        let cancel = over.running.first().copied();
        if attempt == Attempt::First || cancel == Some(Attempt::First) {
            self.learn(now.duration_since(over.began));
        }
        Verdict::Deliver { cancel }
    }

    fn failed(&mut self, request: u64, attempt: Attempt, _now: Instant) -> Verdict {
        if !self.has_ended(request, attempt) {
            return Verdict::Ignore;
        }
        if self.requests.get(&request).is_some_and(|request| !request.running.is_empty()) {
            return Verdict::Wait;
        }
        self.remove(request);
        Verdict::Fail
    }

    fn left(&mut self, request: u64) {
        self.remove(request);
    }
}

impl Hedger {
    /// What the slowest few take longer than; `None` while too little is known.
    fn delay(&self) -> Option<Duration> {
        if self.known.len() < self.hedge.at_least.max(1) {
            return None;
        }
        let mut sorted: Vec<_> = self.known.iter().copied().collect();
        sorted.sort_unstable();
        let place = (sorted.len() * self.hedge.percentile).div_ceil(100);
        sorted.get(place.saturating_sub(1)).copied()
    }

    fn learn(&mut self, time: Duration) {
        self.known.push_back(time);
        if self.known.len() > self.hedge.window {
            self.known.pop_front();
        }
    }

    /// The attempt is not under way any more; whether it was.
    fn has_ended(&mut self, request: u64, attempt: Attempt) -> bool {
        let Some(request) = self.requests.get_mut(&request) else { return false };
        let place = request.running.iter().position(|running| *running == attempt);
        place.map(|place| request.running.remove(place)).is_some()
    }

    /// Takes the request out, wherever it stands.
    fn remove(&mut self, number: u64) -> Option<Request> {
        let request = self.requests.remove(&number)?;
        if let Some(due) = request.due {
            self.waiting.remove(&(due, number));
        }
        Some(request)
    }
}
