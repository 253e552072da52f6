//! The last events.

use std::collections::VecDeque;

use super::{
    document::{LiveEvent, LiveEventKind},
    observation::Change,
};

/// More than fit on a screen.
const MAX_EVENTS: usize = 50;

/// The last [`MAX_EVENTS`] events. Refusals that go on, look after look, are one event, whose count grows: else a
/// minute of them would push out everything else.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    events: VecDeque<LiveEvent>,
    last_sequence: u64,
    /// The events that were counted at the last look.
    ongoing: Vec<u64>,
}

impl EventLog {
    /// Adds what a look has found, at `time_ms`.
    pub(super) fn record(&mut self, changes: Vec<Change>, time_ms: u64) {
        let before = std::mem::take(&mut self.ongoing);
        for change in changes {
            let is_counted = matches!(change.kind, LiveEventKind::Limited | LiveEventKind::Shed);
            let continues = |event: &&mut LiveEvent| {
                before.contains(&event.sequence) && (event.kind, &event.subject) == (change.kind, &change.subject)
            };
            let sequence = match self.events.iter_mut().find(continues) {
                Some(event) => {
                    event.count += change.count;
                    event.sequence
                }
                None => self.push(change, time_ms),
            };
            if is_counted {
                self.ongoing.push(sequence);
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
        (0..).zip(looks).for_each(|(second, changes)| log.record(changes, second));
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
        ]);
        let events: Vec<_> =
            events.iter().map(|(sequence, time, subject, count)| (*sequence, *time, &**subject, *count)).collect();
        assert_eq!(events, [(1, 0, "ip", 7), (2, 0, "ip", 1), (3, 1, "a", 0), (4, 3, "ip", 5), (5, 3, "user", 1)]);
    }

    #[test]
    fn only_the_last_events_are_kept() {
        let events = log((0..80).map(|_| vec![change(LiveEventKind::Up, "a", 0)]));
        assert_eq!(events.len(), MAX_EVENTS);
        assert_eq!((events[0].0, events[49].0), (31, 80));
    }
}
