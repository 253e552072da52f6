//! How busy the workers are: the share of the last seconds in which each was not waiting.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The least time between two samples: several scrapers share one, and a ratio over an instant says nothing.
const WINDOW: Duration = Duration::from_secs(1);

/// The busy times at two moments.
#[derive(Debug)]
pub(crate) struct BusyRatios(Mutex<State>);

#[derive(Debug)]
struct State {
    sampled_at: Instant,
    busy: Vec<Duration>,
    ratios: Vec<f64>,
}

impl BusyRatios {
    /// Workers that start at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(State { sampled_at: now, busy: Vec::new(), ratios: Vec::new() }))
    }

    /// Each worker's share, from 0 to 1, given its busy time until now. Over the time since the last sample, or as it
    /// was then if that is less than a second ago.
    pub(crate) fn ratios(&self, busy: impl Iterator<Item = Duration>, now: Instant) -> Vec<f64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(state.sampled_at);
        let busy: Vec<_> = busy.collect();
        if elapsed < WINDOW && state.ratios.len() == busy.len() {
            return state.ratios.clone();
        }
        let before = |worker: usize| state.busy.get(worker).copied().unwrap_or_default();
        let share = |(worker, busy): (usize, &Duration)| {
            let ratio = busy.saturating_sub(before(worker)).as_secs_f64() / elapsed.as_secs_f64().max(1e-3);
            // The busy time is known when a worker waits again, so it may be that of a longer time.
            ratio.min(1.0)
        };
        let ratios: Vec<_> = busy.iter().enumerate().map(share).collect();
        *state = State { sampled_at: now, busy, ratios: ratios.clone() };
        ratios
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_the_time_since_the_last_sample() {
        let start = common::clock::now();
        let (busy, at) = (BusyRatios::new(start), |millis| start + Duration::from_millis(millis));
        let ratios = |millis: [u64; 2], now| {
            let times = millis.into_iter().map(Duration::from_millis);
            busy.ratios(times, now).iter().map(|ratio| (ratio * 100.0).round()).collect::<Vec<_>>()
        };
        assert_eq!(ratios([1_000, 0], at(2_000)), [50.0, 0.0]);
        assert_eq!(ratios([1_500, 500], at(2_500)), [50.0, 0.0], "too early for another sample");
        assert_eq!(ratios([2_000, 4_000], at(4_000)), [50.0, 100.0]);
    }
}
