//! The last events.

use std::collections::{BTreeMap, VecDeque};

use super::{
    document::{LiveEvent, LiveEventKind},
    observation::Change,
};

/// More than fit on a screen.
const MAX_EVENTS: usize = 50;

/// Refusals that come again within so many milliseconds are the same event.
const PAUSE_MS: u64 = 10_000;

/// The last [`MAX_EVENTS`] events. Refusals that go on are one event, whose count grows: else a minute of them would
/// push out everything else.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    events: VecDeque<LiveEvent>,
    last_sequence: u64,
    /// The events that may go on, by their sequence number, and when they were last counted.
    ongoing: BTreeMap<u64, u64>,
}

impl EventLog {
    /// Adds what a look has found, at `time_ms`.
    pub(super) fn record(&mut self, changes: Vec<Change>, time_ms: u64) {
        self.ongoing.retain(|_, counted_at| time_ms.saturating_sub(*counted_at) <= PAUSE_MS);
        for change in changes {
            let is_counted = matches!(change.kind, LiveEventKind::Limited | LiveEventKind::Shed);
            let continues = |event: &&mut LiveEvent| {
                self.ongoing.contains_key(&event.sequence)
                    && (event.kind, &event.subject) == (change.kind, &change.subject)
            };
            let sequence = match self.events.iter_mut().find(continues) {
                Some(event) => {
                    event.count += change.count;
                    event.sequence
                }
                None => self.push(change, time_ms),
            };
            if is_counted {
                self.ongoing.insert(sequence, time_ms);
            }
        }
    }

    /// The events, oldest first.
    pub(super) fn events(&self) -> Vec<LiveEvent> {
        self.events.iter().cloned().collect()
    }

    fn push(&mut self, Change { kind, subject, group, count }: Change, time_ms: u64) -> u64 {
        self.last_sequence += 1;
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(LiveEvent { sequence: self.last_sequence, time_ms, kind, subject, group, count });
        self.last_sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: LiveEventKind, subject: &str, count: u64) -> Change {
        Change { kind, subject: subject.into(), group: String::new(), count }
    }

    fn log(looks: impl IntoIterator<Item = Vec<Change>>) -> Vec<(u64, u64, String, u64)> {
        let mut log = EventLog::default();
        (0..).zip(looks).for_each(|(second, changes)| log.record(changes, second * 1_000));
        log.events().into_iter().map(|event| (event.sequence, event.time_ms, event.subject, event.count)).collect()
    }

    #[test]
    fn refusals_that_go_on_are_one_event() {
        use LiveEventKind::{Down, Limited, Shed};
        let events = log([
            vec![change(Limited, "ip", 3), change(Shed, "ip", 1)],
            vec![change(Down, "a", 0), change(Limited, "ip", 4)],
            vec![],
            vec![change(Limited, "ip", 5), change(Limited, "user", 1)],
        ]
        .into_iter()
        .chain([const { Vec::new() }; 10])
        .chain([vec![change(Limited, "ip", 1)]]));
        let events: Vec<_> =
            events.iter().map(|(sequence, time, subject, count)| (*sequence, *time, &**subject, *count)).collect();
        let expected =
            [(1, 0, "ip", 12), (2, 0, "ip", 1), (3, 1_000, "a", 0), (4, 3_000, "user", 1), (5, 14_000, "ip", 1)];
        assert_eq!(events, expected);
    }

    #[test]
    fn only_the_last_events_are_kept() {
        let events = log((0..80).map(|_| vec![change(LiveEventKind::Up, "a", 0)]));
        assert_eq!(events.len(), MAX_EVENTS);
        assert_eq!((events[0].0, events[49].0), (31, 80));
    }
}
