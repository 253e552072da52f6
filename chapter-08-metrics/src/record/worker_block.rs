//! One worker's counters.

use std::time::Duration;

use super::{
    backend_blocks::BackendBlocks,
    layout::{Layout, Phase},
    outcomes::{OutcomeTable, OutcomeTableFactory},
};
use crate::{histogram::Buckets, single_writer::SingleWriter};

/// Counters that fill a cache line.
const LINE: usize = 8;
/// Counters of a route before its histograms: whole answers by class, retries, failed requests.
const HEADER: usize = 7;
const RETRIES: usize = 5;
const FAILED: usize = 6;

/// One worker's counters. Only that worker writes them; any thread may read them.
#[derive(Debug)]
#[repr(align(64))] // not on a cache line with another worker's
pub struct WorkerBlock {
    /// For each route slot: the header, then for each phase its buckets and its sum. A line of padding at both ends
    /// keeps them apart from what other workers have allocated.
    routes: Box<[SingleWriter]>,
    /// The counters of one route.
    stride: usize,
    buckets_per_histogram: usize,
    /// Requests that did not end with a whole answer of a backend.
    pub(super) outcomes: Box<dyn OutcomeTable>,
    pub(super) backends: BackendBlocks,
}

/// One worker's counters of one route.
#[derive(Clone, Copy, Debug)]
pub(super) struct RouteCounters<'a> {
    counters: &'a [SingleWriter],
    /// The counters of a histogram: its buckets, and its sum.
    histogram: usize,
}

/// The counts of a histogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramCounts {
    /// By bucket, not cumulative.
    pub buckets: Vec<u64>,
    /// The sum of all durations.
    pub sum: Duration,
}

impl WorkerBlock {
    /// For the routes of `layout`; `make` makes its table of outcomes.
    pub fn new(layout: &Layout, make: OutcomeTableFactory) -> Self {
        let buckets = layout.buckets().count();
        let stride = (HEADER + Phase::ALL.len() * (buckets + 1)).next_multiple_of(LINE);
        Self {
            routes: (0..stride * layout.slots().len() + 2 * LINE).map(|_| SingleWriter::default()).collect(),
            stride,
            buckets_per_histogram: buckets,
            outcomes: make(layout.max_series().of_outcomes()),
            backends: BackendBlocks::new(buckets),
        }
    }

    /// The counters of one route.
    #[inline]
    pub(super) fn route(&self, slot: usize) -> RouteCounters<'_> {
        let begin = LINE + slot * self.stride;
        RouteCounters { counters: &self.routes[begin..begin + self.stride], histogram: self.buckets_per_histogram + 1 }
    }

    /// Whole answers by class, from 1xx.
    pub fn done(&self, slot: usize) -> [u64; 5] {
        let route = self.route(slot);
        std::array::from_fn(|class| route.counters[class].get())
    }

    /// Attempts beyond the first of each request.
    pub fn retries(&self, slot: usize) -> u64 {
        self.route(slot).counters[RETRIES].get()
    }

    /// Failed requests.
    pub fn failed(&self, slot: usize) -> u64 {
        self.route(slot).counters[FAILED].get()
    }

    /// All requests, however they ended.
    pub fn requests(&self, slot: usize) -> u64 {
        self.counts(slot, Phase::Total).buckets.iter().sum()
    }

    /// A histogram's counts.
    pub fn counts(&self, slot: usize, phase: Phase) -> HistogramCounts {
        let route = self.route(slot);
        let (buckets, sum) = route.histogram(phase).split_at(self.buckets_per_histogram);
        let buckets = buckets.iter().map(SingleWriter::get).collect();
        HistogramCounts { buckets, sum: Duration::from_nanos(sum[0].get()) }
    }

    /// How requests ended that did not get a whole answer of a backend.
    pub fn outcomes(&self) -> &dyn OutcomeTable {
        &*self.outcomes
    }

    /// The counters by backend.
    pub fn backends(&self) -> &BackendBlocks {
        &self.backends
    }

    /// The memory that they take, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.routes) + self.outcomes.bytes() + self.backends.bytes()
    }
}

impl<'a> RouteCounters<'a> {
    /// Counts a whole answer of this class, 1 to 5.
    #[inline]
    pub(super) fn count_done(self, class: usize) {
        self.counters[class - 1].add(1);
    }

    /// Counts retries.
    pub(super) fn count_retries(self, retries: u8) {
        self.counters[RETRIES].add(retries.into());
    }

    /// Counts a failed request.
    pub(super) fn count_failed(self) {
        self.counters[FAILED].add(1);
    }

    /// Adds a duration in nanoseconds to a histogram. Returns its bucket.
    #[inline]
    pub(super) fn observe(self, phase: Phase, buckets: &Buckets, nanos: u64) -> usize {
        let (begin, index) = (self.begin_of(phase), buckets.index(nanos));
        self.counters[begin + index].add(1);
        self.counters[begin + self.histogram - 1].add(nanos);
        index
    }

    /// Where the buckets of a histogram begin.
    #[inline]
    fn begin_of(self, phase: Phase) -> usize {
        HEADER + phase as usize * self.histogram
    }

    fn histogram(self, phase: Phase) -> &'a [SingleWriter] {
        let begin = self.begin_of(phase);
        &self.counters[begin..begin + self.histogram]
    }
}

impl HistogramCounts {
    /// Adds the counts of another worker.
    pub fn merge(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(count, more)| *count += more);
        self.sum += other.sum;
    }
}
