//! Simulates many requests, one per millisecond, without waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use exercises_04::contracts::{Attempt::First, Attempt::Second, Hedging, HedgingAction, HedgingPolicy};
use integration_tests::wait::ms;

use super::New;
use crate::beginning;

/// The result of a simulation: how many requests were sent a second time, and how long each took.
pub(super) struct SimulationResult {
    pub(super) sent_twice: usize,
    pub(super) latencies: Vec<Duration>,
}

/// One request per millisecond; `time` returns how long an attempt takes.
pub(super) fn simulate<H: Hedging>(
    new: New<H>,
    policy: HedgingPolicy,
    requests: u64,
    mut time: impl FnMut(u64) -> Duration,
) -> SimulationResult {
    let (start, mut hedging) = (beginning(), new(policy));
    let mut ends: BTreeSet<(Instant, u64, bool)> = BTreeSet::new();
    let mut began = BTreeMap::new();
    let mut result = SimulationResult { sent_twice: 0, latencies: Vec::new() };
    let mut next = 0;
    loop {
        let begins = (next < requests).then(|| start + ms(next));
        let ended = ends.first().map(|(end, ..)| *end);
        let Some(now) = [begins, ended, hedging.next_due()].into_iter().flatten().min() else { return result };
        for again in hedging.due(now) {
            result.sent_twice += 1;
            ends.insert((now + time(again), again, true));
        }
        let is_later = hedging.next_due().is_none_or(|next_due| next_due > now);
        assert!(is_later, "after a call of `due`, `next_due` should be later, or `None`, but is not");
        if ended == Some(now) {
            let (_, request, is_second) = ends.pop_first().unwrap();
            let attempt = if is_second { Second } else { First };
            if let HedgingAction::Deliver { cancel } = hedging.responded(request, attempt, now) {
                ends.retain(|(_, other, _)| cancel.is_none() || *other != request);
                result.latencies.push(now - began[&request]);
            }
        } else if begins == Some(now) {
            began.insert(next, now);
            hedging.begin(next, true, now);
            ends.insert((now + time(next), next, false));
            next += 1;
        }
    }
}
