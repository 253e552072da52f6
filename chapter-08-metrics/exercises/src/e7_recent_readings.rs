//! Exercise 8.7: what happened in the last seconds (an hour).
//!
//! The live page says requests per second of the last 2 s, and percentiles of the last 10. It is sent counters.
//!
//! **Contract.** [`recent`] returns readings ([`RecentReadings`]) for spans of at most `longest`; `bounds` are the finite
//! bounds of all buckets, in seconds.
//!
//! - What happened in a span is the difference of the last reading and the *earlier* one: the newest that is at least
//!   the span older, by `uptime`. If none is so old, the earlier one is the oldest reading of this run of the program.
//! - A rate is the increase divided by the time between those two, however long that was.
//! - The first reading of a run is compared with the start of the program, where all counters were 0.
//! - If the uptime is less than before, the program was restarted: a new run, and all earlier readings are void.
//! - If the uptime is the same as before, the new reading takes the place of the last.
//! - A backend that the earlier reading does not have came later, or was left out of it. It is compared with the oldest
//!   reading after that one that has it. If that is the last one, nothing is known: `None`. So it is if the last one
//!   does not have it, and for a rate if no time has passed.
//! - Counters are not read all at once. One that is less than before has not grown.
//! - `buckets` are cumulative, each with its bound; the bound of the last one is infinite.
//! - No reading is kept that no span up to `longest` needs.

use std::time::Duration;

use crate::contracts::{Bucket, Reading, RecentReadings};

/// Readings for spans of at most `longest`.
pub fn recent(bounds: Vec<f64>, _longest: Duration) -> impl RecentReadings {
    Recent { bounds, last: None }
}

struct Recent {
    bounds: Vec<f64>,
    last: Option<Reading>,
}

impl RecentReadings for Recent {
    fn push(&mut self, reading: Reading) {
        self.last = Some(reading);
    }

    fn rate(&self, id: u64, _span: Duration) -> Option<f64> {
        let last = self.last.as_ref()?;
        let backend = last.backends.iter().find(|backend| backend.id == id)?;
        #[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
        Some(backend.requests as f64 / last.uptime.as_secs_f64())
    }

    fn buckets(&self, id: u64, _span: Duration) -> Option<Vec<Bucket>> {
        let backend = self.last.as_ref()?.backends.iter().find(|backend| backend.id == id)?;
        let buckets = self.bounds.iter().zip(&backend.buckets);
        Some(buckets.map(|(bound, count)| Bucket { bound: *bound, cumulative: *count }).collect())
    }

    fn kept(&self) -> usize {
        usize::from(self.last.is_some())
    }
}
