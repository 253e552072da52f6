//! Exercise 4.4, solved.
//!
//! Waiting requests are ordered by time, requests in flight are found by number; whatever ends a request removes it
//! from both. The delicate part is the latency that is *not* seen: a first attempt that is cancelled was one of the
//! slow ones. Leave it out, and the delay is computed from the fast ones only, shrinks, and more and more requests are
//! sent twice. Hedging, and the percentile as its delay, are by Dean and Barroso, *The Tail at Scale* (2013).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::contracts::{Attempt, Hedging, HedgingAction, HedgingPolicy};

/// One second attempt in the budget, in hundredths, so that a hundred requests add exactly `budget_percent`.
const ONE_ATTEMPT: u64 = 100;

/// The requests in flight.
#[derive(Debug)]
pub struct Hedger {
    policy: HedgingPolicy,
    /// Latencies of first attempts, the newest last.
    latencies: VecDeque<Duration>,
    budget: u64,
    waiting: BTreeSet<(Instant, u64)>,
    requests: HashMap<u64, Request>,
}

#[derive(Debug)]
struct Request {
    started_at: Instant,
    /// When the second attempt is due; `None` if never, or not any more.
    due: Option<Instant>,
    /// The attempts that have not ended.
    running: Vec<Attempt>,
}

/// No requests yet.
pub fn hedging(policy: HedgingPolicy) -> Hedger {
    Hedger {
        policy,
        latencies: VecDeque::new(),
        budget: policy.max_budget.saturating_mul(ONE_ATTEMPT),
        waiting: BTreeSet::new(),
        requests: HashMap::new(),
    }
}

impl Hedging for Hedger {
    fn begin(&mut self, request: u64, is_idempotent: bool, now: Instant) {
        self.budget = self
            .budget
            .saturating_add(self.policy.budget_percent)
            .min(self.policy.max_budget.saturating_mul(ONE_ATTEMPT));
        let due = self.delay().filter(|_| is_idempotent).map(|delay| now + delay);
        self.waiting.extend(due.map(|due| (due, request)));
        self.requests.insert(request, Request { started_at: now, due, running: vec![Attempt::First] });
    }

    fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    fn due(&mut self, now: Instant) -> Vec<u64> {
        let mut sent = Vec::new();
        while let Some((_, number)) = self.waiting.first().copied().filter(|(due, _)| *due <= now) {
            self.waiting.pop_first();
            let Some(request) = self.requests.get_mut(&number) else { continue };
            request.due = None;
            if let Some(rest) = self.budget.checked_sub(ONE_ATTEMPT) {
                self.budget = rest;
                request.running.push(Attempt::Second);
                sent.push(number);
            }
        }
        sent
    }

    fn responded(&mut self, request: u64, attempt: Attempt, now: Instant) -> HedgingAction {
        if !self.end_attempt(request, attempt) {
            return HedgingAction::Ignore;
        }
        let Some(ended) = self.remove(request) else { return HedgingAction::Ignore };
        let cancel = ended.running.first().copied();
        if attempt == Attempt::First || cancel == Some(Attempt::First) {
            self.record_latency(now.duration_since(ended.started_at));
        }
        HedgingAction::Deliver { cancel }
    }

    fn failed(&mut self, request: u64, attempt: Attempt, _now: Instant) -> HedgingAction {
        if !self.end_attempt(request, attempt) {
            return HedgingAction::Ignore;
        }
        if self.requests.get(&request).is_some_and(|request| !request.running.is_empty()) {
            return HedgingAction::Wait;
        }
        self.remove(request);
        HedgingAction::Fail
    }

    fn client_closed(&mut self, request: u64) {
        self.remove(request);
    }
}

impl Hedger {
    /// The delay before a second attempt; `None` while too few latencies are known.
    fn delay(&self) -> Option<Duration> {
        if self.latencies.len() < self.policy.min_latencies.max(1) {
            return None;
        }
        let mut sorted: Vec<_> = self.latencies.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * self.policy.percentile).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied()
    }

    fn record_latency(&mut self, latency: Duration) {
        self.latencies.push_back(latency);
        if self.latencies.len() > self.policy.window {
            self.latencies.pop_front();
        }
    }

    /// Removes the attempt from the running ones. Returns whether it was running.
    fn end_attempt(&mut self, request: u64, attempt: Attempt) -> bool {
        let Some(request) = self.requests.get_mut(&request) else { return false };
        let index = request.running.iter().position(|running| *running == attempt);
        index.map(|index| request.running.remove(index)).is_some()
    }

    /// Removes the request, and its entry among the waiting ones.
    fn remove(&mut self, number: u64) -> Option<Request> {
        let request = self.requests.remove(&number)?;
        if let Some(due) = request.due {
            self.waiting.remove(&(due, number));
        }
        Some(request)
    }
}
