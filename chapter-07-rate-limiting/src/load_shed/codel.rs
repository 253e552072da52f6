//! The queue under overload: CoDel's rule detects it; then the newest request is served first and old ones are shed.
//!
//! WHEN TO USE IT: behind any limit. A good queue absorbs a burst and drains. A *standing* queue never drains: it only
//! adds delay. At any one moment the two look alike. What tells them apart is the minimum delay over an interval: after
//! a burst it drops, in a standing queue it does not.
//!
//! So: once the oldest request's wait has stayed above the target for ten times the target, the group is overloaded.
//! Until it has stayed at or below the target for as long,
//! - the newest request is served first: its client is still waiting, the oldest one's may have given up;
//! - a request that has waited for more than twice the target is shed: it gets a 503 while its client can still try
//!   elsewhere.
//!
//! The detection rule follows CoDel (RFC 8289). CoDel for requests, and adaptive LIFO, are in Facebook's *Fail at
//! Scale* (Maurer, ACM Queue 13(8), 2015); shedding at twice the target is `wangle::Codel`'s. Unlike them, it also
//! takes ten targets to leave overload. Cost: a comparison, under the queue's lock.

use std::time::{Duration, Instant};

use advanced_features::limit::queue::{QueueDiscipline, QueueOrder, QueueRules};

/// CoDel's overload detection, with adaptive LIFO.
#[derive(Clone, Copy, Debug)]
pub struct Codel {
    target: Duration,
    is_overloaded: bool,
    /// Since when the oldest wait has contradicted `is_overloaded`: above the target while not overloaded, or at or
    /// below it while overloaded.
    changing_since: Option<Instant>,
}

impl Codel {
    /// How long the wait must stay above (or at or below) the target before the state changes, in multiples of the
    /// target.
    const WINDOW_TARGETS: u32 = 10;
    /// While overloaded, a request that has waited for more than this many targets is shed. Twice the target, as in
    /// `wangle::Codel`: a request just past the target may still be served.
    const MAX_WAIT_TARGETS: u32 = 2;

    /// `target` is the acceptable queueing delay.
    pub fn new(target: Duration) -> Self {
        Self { target, is_overloaded: false, changing_since: None }
    }
}

// ANCHOR: update
impl QueueDiscipline for Codel {
    fn update(&mut self, oldest_wait: Duration, now: Instant) -> QueueRules {
        let is_above_target = oldest_wait > self.target;
        if is_above_target == self.is_overloaded {
            self.changing_since = None;
        } else {
            let since = *self.changing_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= self.target * Self::WINDOW_TARGETS {
                (self.is_overloaded, self.changing_since) = (is_above_target, None);
            }
        }
        if !self.is_overloaded {
            return QueueRules::default();
        }
        QueueRules { order: QueueOrder::NewestFirst, max_wait: Some(self.target * Self::MAX_WAIT_TARGETS) }
    }
}
// ANCHOR_END: update

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    const TARGET: Duration = Duration::from_millis(100);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The instants, in milliseconds, at which the rules change to or from those of overload.
    fn changes(oldest_waits: impl Iterator<Item = (u64, u64)>) -> Vec<u64> {
        let (mut codel, start, mut was_overloaded) = (Codel::new(TARGET), now(), false);
        let mut changes = Vec::new();
        for (at, oldest_wait) in oldest_waits {
            let rules = codel.update(ms(oldest_wait), start + ms(at));
            let is_overloaded = rules != QueueRules::default();
            if is_overloaded {
                assert_eq!((rules.order, rules.max_wait), (QueueOrder::NewestFirst, Some(ms(200))));
            }
            if is_overloaded != was_overloaded {
                changes.push(at);
            }
            was_overloaded = is_overloaded;
        }
        changes
    }

    #[test]
    fn a_wait_that_stays_above_the_target_for_ten_targets_is_overload() {
        assert_eq!(changes((0..2_000).map(|at| (at, 101))), [1_000]);
        assert_eq!(changes((0..2_000).map(|at| (at, 100))), [0u64; 0], "the target itself is fine");
    }

    #[test]
    fn one_short_wait_in_a_window_makes_it_a_burst() {
        let bursts = (0..10_000).map(|at| (at, if at % 900 == 0 { 0 } else { 5_000 }));
        assert_eq!(changes(bursts), [0u64; 0]);
    }

    #[test]
    fn overload_is_over_when_waits_have_been_short_for_ten_targets() {
        let waits = (0..5_000).map(|at| (at, if (1_500..1_900).contains(&at) || at >= 3_000 { 50 } else { 150 }));
        assert_eq!(changes(waits), [1_000, 4_000], "a gap of 400 ms is not enough");
    }

    #[test]
    fn a_clock_that_stands_still_is_no_overload() {
        assert_eq!(changes((0..1_000).map(|_| (0, 500))), [0u64; 0]);
    }
}
