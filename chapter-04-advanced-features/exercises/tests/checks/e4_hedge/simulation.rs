//! Simulates many requests, one per millisecond, without waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use exercises_04::contracts::{Attempt::First, Attempt::Second, Hedge, Hedging, Verdict};
use integration_tests::wait::ms;

use super::New;
use crate::beginning;

/// The result of a simulation: how many requests were sent a second time, and how long each took.
pub(super) struct Simulated {
    pub(super) sent_twice: usize,
    pub(super) took: Vec<Duration>,
}

/// One request per millisecond; `time` returns how long an attempt takes.
pub(super) fn simulate<H: Hedging>(
    new: New<H>,
    hedge: Hedge,
    requests: u64,
    mut time: impl FnMut(u64) -> Duration,
) -> Simulated {
    let (start, mut hedging) = (beginning(), new(hedge));
    let mut ends: BTreeSet<(Instant, u64, bool)> = BTreeSet::new();
    let mut began = BTreeMap::new();
    let mut simulated = Simulated { sent_twice: 0, took: Vec::new() };
    let mut next = 0;
    loop {
        let begins = (next < requests).then(|| start + ms(next));
        let ended = ends.first().map(|(end, ..)| *end);
        let Some(now) = [begins, ended, hedging.wake()].into_iter().flatten().min() else { return simulated };
        for again in hedging.due(now) {
            simulated.sent_twice += 1;
            ends.insert((now + time(again), again, true));
        }
        let is_later = hedging.wake().is_none_or(|wake| wake > now);
        assert!(is_later, "after a call of `due`, `wake` should be later, or `None`, but is not");
        if ended == Some(now) {
            let (_, request, is_second) = ends.pop_first().unwrap();
            let attempt = if is_second { Second } else { First };
            if let Verdict::Deliver { cancel } = hedging.answered(request, attempt, now) {
                ends.retain(|(_, other, _)| cancel.is_none() || *other != request);
                simulated.took.push(now - began[&request]);
            }
        } else if begins == Some(now) {
            began.insert(next, now);
            hedging.begin(next, true, now);
            ends.insert((now + time(next), next, false));
            next += 1;
        }
    }
}
