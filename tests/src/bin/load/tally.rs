//! The counters of one thread; they are merged once, at the end.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::{client::Client, failure::Failure, schedule::ScheduledRequest};

/// Latencies are recorded in nanoseconds, with three significant digits, from 100 ns to an hour: 220 kB per histogram.
const SHORTEST_NANOS: u64 = 100;
const LONGEST_NANOS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

/// A server with a new `X-Server-ID` in every response must not fill our memory.
const MAX_SERVER_IDS: usize = 1_000;

/// What the progress bar shows of a thread while it runs.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    pub(crate) done: AtomicU64,
    pub(crate) failed: AtomicU64,
}

pub(crate) struct Tally {
    gauge: Arc<Gauge>,
    /// Requests that ended after the warm-up, successful or not.
    pub(crate) requests: u64,
    pub(crate) failures: BTreeMap<Failure, u64>,
    pub(crate) warm_up_requests: u64,
    pub(crate) warm_up_failures: u64,
    /// Started but not ended: at the end of a run only those that an interrupt cut off.
    pub(crate) in_flight: u64,
    /// Of successes only: errors are quick, and would make a broken server look fast.
    pub(crate) latency: Histogram<u64>,
    /// From the time of sending; recorded in an open loop only, where the two differ.
    pub(crate) uncorrected: Option<Histogram<u64>>,
    /// Connections, including the warm-up.
    pub(crate) opened: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Responses per `X-Server-ID`. A list, because backends are few.
    pub(crate) server_ids: Vec<(Vec<u8>, u64)>,
    pub(crate) last_end: Option<Instant>,
}

impl Tally {
    /// Fails only if there is no histogram with these bounds.
    pub(crate) fn new(gauge: Arc<Gauge>, open_loop: bool) -> Result<Self, hdrhistogram::CreationError> {
        let histogram = || Histogram::new_with_bounds(SHORTEST_NANOS, LONGEST_NANOS, DIGITS);
        Ok(Self {
            gauge,
            requests: 0,
            failures: BTreeMap::new(),
            warm_up_requests: 0,
            warm_up_failures: 0,
            in_flight: 0,
            latency: histogram()?,
            uncorrected: if open_loop { Some(histogram()?) } else { None },
            opened: 0,
            sent: 0,
            received: 0,
            server_ids: Vec::new(),
            last_end: None,
        })
    }

    /// Records the end of a request. `began`: when it was sent, which may be later than it was due.
    pub(crate) fn record(
        &mut self,
        scheduled: ScheduledRequest,
        (began, ended): (Instant, Instant),
        outcome: Result<(), Failure>,
        client: &Client,
    ) {
        self.in_flight -= 1;
        self.gauge.done.fetch_add(1, Ordering::Relaxed);
        self.gauge.failed.fetch_add(u64::from(outcome.is_err()), Ordering::Relaxed);
        if !scheduled.measured {
            self.warm_up_requests += 1;
            self.warm_up_failures += u64::from(outcome.is_err());
            return;
        }
        self.requests += 1;
        self.last_end = Some(ended);
        let (sent, received) = client.traffic();
        self.sent += sent;
        self.received += received;
        self.count_server(client.server_id());
        if let Err(failure) = outcome {
            *self.failures.entry(failure).or_default() += 1;
            return;
        }
        let nanos = |from: Instant| nanos(ended.saturating_duration_since(from));
        self.latency.saturating_record(nanos(scheduled.due.unwrap_or(began)));
        if let Some(uncorrected) = &mut self.uncorrected {
            uncorrected.saturating_record(nanos(began));
        }
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Adds the counters of another thread.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        for (&failure, count) in &other.failures {
            *self.failures.entry(failure).or_default() += count;
        }
        self.warm_up_requests += other.warm_up_requests;
        self.warm_up_failures += other.warm_up_failures;
        self.in_flight += other.in_flight;
        // The bounds are equal, so no value is out of range.
        let _ = self.latency.add(&other.latency);
        if let (Some(own), Some(others)) = (&mut self.uncorrected, &other.uncorrected) {
            let _ = own.add(others);
        }
        self.opened += other.opened;
        self.sent += other.sent;
        self.received += other.received;
        for (id, count) in &other.server_ids {
            self.add_server(id, *count);
        }
        self.last_end = self.last_end.max(other.last_end);
    }

    fn count_server(&mut self, id: &[u8]) {
        if !id.is_empty() {
            self.add_server(id, 1);
        }
    }

    fn add_server(&mut self, id: &[u8], count: u64) {
        if let Some((_, own)) = self.server_ids.iter_mut().find(|(own, _)| own == id) {
            *own += count;
        } else if self.server_ids.len() < MAX_SERVER_IDS {
            self.server_ids.push((id.to_vec(), count));
        }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
