//! Two readings of the document, and what happened between them.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::live::{
    LiveDocument,
    document::{LiveBackend, LiveLimit, LiveTotals},
};

/// A document, and when it was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The document.
    pub document: LiveDocument,
    /// When it arrived, by the clock of this program.
    pub at: Instant,
}

/// By how much less than our clock the uptime may advance: a document is made a moment before it is read.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

impl Reading {
    /// Whether this is the same run of the same program as `before`, so that the differences of counters mean something.
    fn continues(&self, before: &Self) -> bool {
        let (new, old) = (&self.document, &before.document);
        let advanced = Duration::from_millis(new.uptime_ms.saturating_sub(old.uptime_ms));
        // A program that was restarted while nobody could read it may have run for longer than the old one.
        let passed = self.at.saturating_duration_since(before.at);
        let is_same_run = new.uptime_ms >= old.uptime_ms && advanced + CLOCK_TOLERANCE >= passed;
        is_same_run && new.program.name == old.program.name && !has_shrunk(&new.totals, &old.totals)
    }
}

fn has_shrunk(new: &LiveTotals, old: &LiveTotals) -> bool {
    new.requests < old.requests || new.connections_accepted < old.connections_accepted
}

/// The last reading, and the one before it of the same run.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    before: Option<Reading>,
    last: Option<Reading>,
}

impl Readings {
    /// Takes in the next one. After a restart nothing is kept of the ones before.
    pub fn push(&mut self, reading: Reading) {
        self.before = self.last.take().filter(|before| reading.continues(before));
        self.last = Some(reading);
    }

    /// What happened between them; `None` before the first reading.
    pub fn interval(&self) -> Option<Interval<'_>> {
        self.last.as_ref().map(|last| Interval::new(self.before.as_ref(), last))
    }
}

/// What happened between two readings; with one only, since the start of the program, where all counters were 0.
#[derive(Debug)]
pub struct Interval<'a> {
    /// The document at its end.
    pub now: &'a LiveDocument,
    /// Its length.
    pub length: Duration,
    /// The document at its beginning; `None` for the start of the program.
    before: Option<&'a LiveDocument>,
    backends_before: HashMap<u64, &'a LiveBackend>,
}

impl<'a> Interval<'a> {
    fn new(before: Option<&'a Reading>, last: &'a Reading) -> Self {
        let (before, now) = (before.map(|reading| &reading.document), &last.document);
        let uptime_before = before.map_or(0, |document| document.uptime_ms);
        let backends = before.map_or(&[][..], |document| &document.backends);
        Self {
            now,
            length: Duration::from_millis(now.uptime_ms.saturating_sub(uptime_before)),
            before,
            backends_before: backends.iter().map(|backend| (backend.id, backend)).collect(),
        }
    }

    /// Whether it began with the program.
    pub fn is_since_start(&self) -> bool {
        self.before.is_none()
    }

    /// So many per second; `None` if no time has passed.
    #[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
    pub fn rate(&self, increase: u64) -> Option<f64> {
        (!self.length.is_zero()).then(|| increase as f64 / self.length.as_secs_f64())
    }

    /// The increase of a counter of the whole process.
    pub fn increase(&self, counter: impl Fn(&LiveTotals) -> u64) -> u64 {
        counter(&self.now.totals).saturating_sub(self.before.map_or(0, |before| counter(&before.totals)))
    }

    /// The increase of a worker's busy time, in microseconds.
    pub fn busy_us(&self, worker: usize) -> u64 {
        let busy = |document: &LiveDocument| document.workers.get(worker).map_or(0, |worker| worker.busy_us);
        busy(self.now).saturating_sub(self.before.map_or(0, busy))
    }

    /// The increase of a counter of the limit at this index.
    pub fn limit_increase(&self, index: usize, counter: impl Fn(&LiveLimit) -> u64) -> u64 {
        let of = |document: &LiveDocument| document.limits.get(index).map_or(0, &counter);
        of(self.now).saturating_sub(self.before.map_or(0, of))
    }

    /// The counters of a backend at the beginning. `None` if the reading then did not have it: it may have been added
    /// since, or there were too many to show, so nothing is known of what it did in between.
    pub fn backend_before(&self, id: u64) -> Option<BackendBefore<'a>> {
        match self.before {
            None => Some(BackendBefore(None)),
            Some(_) => self.backends_before.get(&id).map(|backend| BackendBefore(Some(*backend))),
        }
    }
}

/// A backend's counters at the beginning of an interval, which are all 0 at the start of the program.
#[derive(Clone, Copy, Debug)]
pub struct BackendBefore<'a>(Option<&'a LiveBackend>);

impl BackendBefore<'_> {
    /// The increase of a counter up to that of `now`. Never negative, whatever a document says.
    pub fn increase(self, now: &LiveBackend, counter: impl Fn(&LiveBackend) -> u64) -> u64 {
        counter(now).saturating_sub(self.0.map_or(0, counter))
    }

    /// The increase of each bucket of the times to the first byte.
    pub fn buckets(self, now: &LiveBackend) -> Vec<u64> {
        let before = |index: usize| self.0.and_then(|backend| backend.first_byte_buckets.get(index).copied());
        let increase = |(index, count): (usize, &u64)| count.saturating_sub(before(index).unwrap_or_default());
        now.first_byte_buckets.iter().enumerate().map(increase).collect()
    }
}

/// `part` of `whole`; `None` of nothing. More than the whole, as two counters that were not read at once may say, is
/// the whole.
#[expect(clippy::cast_precision_loss, reason = "it is shown as a percentage")]
pub fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64).min(1.0))
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    /// A reading at this second of our clock, of a program that has run for so long and counted so much.
    fn reading(start: Instant, at: u64, uptime: u64, requests: u64) -> Reading {
        let mut document = LiveDocument { uptime_ms: uptime * 1000, ..LiveDocument::default() };
        document.totals.requests = requests;
        document.backends = vec![LiveBackend { id: 7, requests, ..LiveBackend::default() }];
        Reading { document, at: start + Duration::from_secs(at) }
    }

    fn of(all: [(u64, u64, u64); 2]) -> Readings {
        let (start, mut readings) = (now(), Readings::default());
        for (at, uptime, requests) in all {
            readings.push(reading(start, at, uptime, requests));
        }
        readings
    }

    #[test]
    fn a_rate_is_the_difference_over_the_difference_of_the_uptimes() {
        let readings = of([(0, 100, 1_000), (3, 102, 1_500)]);
        let interval = readings.interval().unwrap();
        assert!(!interval.is_since_start());
        assert_eq!(interval.increase(|totals| totals.requests), 500);
        assert_eq!(interval.rate(500), Some(250.0));
        let before = interval.backend_before(7).unwrap();
        assert_eq!(before.increase(&interval.now.backends[0], |backend| backend.requests), 500);
        assert!(interval.backend_before(8).is_none(), "unknown before");
    }

    #[test]
    fn one_reading_is_measured_since_the_start_of_the_program() {
        let mut readings = Readings::default();
        assert!(readings.interval().is_none());
        readings.push(reading(now(), 0, 10, 50));
        let interval = readings.interval().unwrap();
        assert!(interval.is_since_start());
        assert_eq!(interval.rate(interval.increase(|totals| totals.requests)), Some(5.0));
        assert!(interval.backend_before(8).is_some());
    }

    #[test]
    fn a_restart_voids_the_reading_before() {
        for (why, before, after) in [
            ("the uptime goes back", (0, 100, 1_000), (1, 1, 2_000)),
            ("a counter goes back", (0, 100, 1_000), (1, 101, 900)),
            ("it ran for long before it could be read again", (0, 100, 1_000), (500, 300, 9_000)),
        ] {
            let readings = of([before, after]);
            let interval = readings.interval().unwrap();
            assert!(interval.is_since_start(), "{why}");
            assert_eq!(interval.increase(|totals| totals.requests), after.2, "{why}");
        }
    }

    #[test]
    fn a_gap_between_readings_is_no_restart() {
        let readings = of([(0, 100, 1_000), (500, 599, 2_000)]);
        let interval = readings.interval().unwrap();
        assert!(!interval.is_since_start() && interval.length == Duration::from_secs(499), "{interval:?}");
    }

    #[test]
    fn no_time_has_no_rate() {
        let mut readings = Readings::default();
        readings.push(reading(now(), 0, 0, 50));
        assert_eq!(readings.interval().unwrap().rate(50), None);
    }

    #[test]
    fn a_counter_that_shrinks_alone_has_not_increased() {
        let start = now();
        let mut readings = Readings::default();
        readings.push(reading(start, 0, 10, 50));
        let mut less = reading(start, 1, 11, 50);
        less.document.backends[0].requests = 3;
        readings.push(less);
        let interval = readings.interval().unwrap();
        let before = interval.backend_before(7).unwrap();
        assert_eq!(before.increase(&interval.now.backends[0], |backend| backend.requests), 0);
    }
}
