//! The solution of exercise 8.7.

use std::collections::VecDeque;
use std::time::Duration;

use crate::contracts::{BackendCounters, Bucket, Reading, RecentReadings};

/// Readings for spans of at most `longest`.
pub fn recent(bounds: Vec<f64>, longest: Duration) -> impl RecentReadings {
    Recent { bounds, longest, readings: VecDeque::new(), is_first: true }
}

struct Recent {
    bounds: Vec<f64>,
    longest: Duration,
    /// Of one run of the program, oldest first.
    readings: VecDeque<Reading>,
    /// Whether the run has had one reading only.
    is_first: bool,
}

/// The counters of a backend at both ends of a span, and the time between.
struct Growth<'a> {
    before: Option<&'a BackendCounters>,
    now: &'a BackendCounters,
    time: Duration,
}

impl RecentReadings for Recent {
    fn push(&mut self, reading: Reading) {
        let uptime = reading.uptime;
        match self.readings.back().map(|last| last.uptime) {
            Some(last) if uptime == last => drop(self.readings.pop_back()),
            Some(last) if uptime > last => self.is_first = false,
            _ => {
                self.readings.clear();
                self.is_first = true;
            }
        }
        self.readings.push_back(reading);
        // The first one is the earlier reading of the longest span, until the second is old enough for it.
        while self.readings.get(1).is_some_and(|second| second.uptime + self.longest <= uptime) {
            self.readings.pop_front();
        }
    }

    fn rate(&self, id: u64, span: Duration) -> Option<f64> {
        let growth = self.growth(id, span)?;
        let increase = growth.now.requests.saturating_sub(growth.before.map_or(0, |before| before.requests));
        #[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
        (!growth.time.is_zero()).then(|| increase as f64 / growth.time.as_secs_f64())
    }

    fn buckets(&self, id: u64, span: Duration) -> Option<Vec<Bucket>> {
        let Growth { before, now, .. } = self.growth(id, span)?;
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let mut cumulative = 0;
        let bucket = |(index, bound): (usize, f64)| {
            let old = before.map_or(0, |before| before.buckets[index]);
            cumulative += now.buckets[index].saturating_sub(old);
            Bucket { bound, cumulative }
        };
        Some(bounds.enumerate().map(bucket).collect())
    }

    fn kept(&self) -> usize {
        self.readings.len()
    }
}

impl Recent {
    fn growth(&self, id: u64, span: Duration) -> Option<Growth<'_>> {
        let (last, now) = (self.readings.back()?, find(self.readings.back()?, id)?);
        if self.is_first {
            return Some(Growth { before: None, now, time: last.uptime });
        }
        let is_before = |reading: &Reading| reading.uptime + span <= last.uptime;
        let start = self.readings.iter().rposition(is_before).unwrap_or(0);
        let (before, uptime) =
            self.readings.iter().skip(start).find_map(|reading| Some((find(reading, id)?, reading.uptime)))?;
        let time = last.uptime.saturating_sub(uptime);
        (!time.is_zero()).then_some(Growth { before: Some(before), now, time })
    }
}

fn find(reading: &Reading, id: u64) -> Option<&BackendCounters> {
    reading.backends.iter().find(|backend| backend.id == id)
}
