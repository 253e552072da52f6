//! The queue under overload: CoDel's rule says when, and then the newest request is next.
//!
//! WHEN TO USE IT: behind any limit. A queue absorbs a burst, which is good, and then it is empty again. A *standing*
//! queue absorbs nothing: every request waits, and leaves as many behind as it found. The two look alike at any moment.
//! What tells them apart is the shortest wait over a while: a burst leaves a gap, a standing queue does not.
//!
//! So: when the oldest request has waited for longer than the target at every moment of ten targets, the group is
//! overloaded. Until the oldest has stayed below the target for as long,
//! - the newest request is next: its client is still there, that of the oldest may have given up;
//! - what has waited for two targets is shed: it gets its 503 while its client can still go elsewhere.
//!
//! The rule is that of CoDel (RFC 8289), for requests as in Facebook's *Fail at Scale* (Maurer, ACM Queue 13(8), 2015)
//! and its `wangle::Codel`, which sheds at twice the target as well. Cost: a comparison, under the queue's lock.

use std::time::{Duration, Instant};

use advanced_features::limit::queue::{QueueDiscipline, QueueOrder, QueueRules};

/// CoDel with newest first.
#[derive(Clone, Copy, Debug)]
pub struct Codel {
    target: Duration,
    is_overloaded: bool,
    /// Since when the oldest request has waited for longer than the target, or not, as when overloaded: since when there
    /// has been a reason to change `is_overloaded`.
    changing_since: Option<Instant>,
}

impl Codel {
    /// For how many targets a wait has to be too long, or short enough again, before it counts.
    const WINDOW_TARGETS: u32 = 10;
    /// After how many targets a request is shed. At one, no request in the queue would ever be older than the target,
    /// and so the overload would always seem to be over.
    const MAX_WAIT_TARGETS: u32 = 2;

    /// A queue whose oldest request should wait for at most `target`.
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
