//! Requests by route: how they ended, and how long they took.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::family::{Family, count, number};
use crate::{
    end::{Code, End},
    record::{
        Metrics,
        layout::{Phase, RouteLabels},
        outcomes::Outcome,
        worker_block::WorkerBlock,
    },
};

const ROUTE: &[&str] = &["group", "route"];

const REQUESTS: Family = Family::counter(
    "lb_requests_total",
    &["code", "end", "group", "route"],
    "Requests that have ended, by status code (its class, or exact for an answer of the balancer's own) and by why.",
);
const FAILED: Family = Family::counter(
    "lb_requests_failed_total",
    ROUTE,
    "Requests that the balancer answered with 500 or more itself, or whose answer broke off, other than by the client.",
);
const RETRIES: Family =
    Family::counter("lb_retries_total", &["group"], "Attempts beyond the first one of each request.");
const SHED: Family =
    Family::counter("lb_shed_total", &["group"], "Requests that were shed because their group was overloaded.");
const DROPPED: Family = Family::counter(
    "lb_series_dropped_total",
    &["metric"],
    "Series that do not exist because of --metrics-max-series.",
);
const TOTAL: Family =
    Family::histogram("lb_request_duration_seconds", ROUTE, "From the first byte of a request to its end.");
const QUEUE: Family =
    Family::histogram("lb_queue_seconds", ROUTE, "The time in the queue, of requests that had to wait in it.");
const CONNECT: Family = Family::histogram(
    "lb_connect_seconds",
    ROUTE,
    "The time to connect to a backend, of requests for which a connection was opened.",
);
const FIRST_BYTE: Family = Family::histogram(
    "lb_first_byte_seconds",
    ROUTE,
    "From the connection to the first byte of the backend's response.",
);
const OWN: Family = Family::histogram(
    "lb_own_seconds",
    ROUTE,
    "The time that the balancer itself computed until the last connection to a backend, of one in 16 requests: from the \
     complete head, without queue, connects, failed attempts and back-off.",
);

const ALL: [Family; 10] = [REQUESTS, FAILED, RETRIES, SHED, DROPPED, TOTAL, QUEUE, CONNECT, FIRST_BYTE, OWN];

/// What the filter has recorded by route.
pub struct RequestCollector {
    metrics: Metrics,
    descs: Vec<Desc>,
    /// The outcomes that have series. Once they are as many as may be, no other gets one: a series that came and went
    /// would look like a counter that starts again.
    known: Mutex<BTreeSet<Outcome>>,
    /// How many series of backends there are not, for the same reason.
    dropped_of_backends: DroppedSeries,
}

/// Counts series that do not exist.
type DroppedSeries = Box<dyn Fn() -> usize + Send + Sync>;

/// The requests of all workers by outcome.
#[derive(Debug, Default)]
struct Outcomes {
    counts: BTreeMap<Outcome, u64>,
    /// Requests whose outcome has no series.
    others: u64,
    /// Outcomes that have none.
    dropped: usize,
}

impl std::fmt::Debug for RequestCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestCollector").field("metrics", &self.metrics).finish_non_exhaustive()
    }
}

impl RequestCollector {
    /// Over these counters. `dropped_of_backends` says how many series of backends are left out.
    pub fn new(metrics: Metrics, dropped_of_backends: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        let descs = ALL.iter().map(Family::desc).collect();
        Self { metrics, descs, known: Mutex::default(), dropped_of_backends: Box::new(dropped_of_backends) }
    }

    fn slots(&self) -> impl Iterator<Item = (usize, &RouteLabels)> {
        let layout = self.metrics.layout();
        layout.slots().iter().enumerate().filter(|(slot, _)| layout.is_used(*slot))
    }

    /// The sum over all workers.
    fn sum(&self, count: impl Fn(&WorkerBlock) -> u64) -> u64 {
        self.metrics.workers().iter().map(count).sum()
    }

    /// Requests by outcome.
    fn outcomes(&self) -> Outcomes {
        let mut counts: BTreeMap<_, u64> = BTreeMap::new();
        for (slot, labels) in self.slots() {
            for (class, index) in (1..).zip(0..5) {
                let done = self.sum(|block| block.done(slot)[index]);
                // A counter that is there from the start shows its first request as an increase.
                let is_expected = class == 2 && !labels.route.is_empty();
                if done > 0 || is_expected {
                    counts.insert(Outcome::new(slot, Code::from_bits(class), End::Done), done);
                }
            }
        }
        for (outcome, count) in self.metrics.workers().iter().flat_map(|block| block.outcomes().counts()) {
            *counts.entry(outcome).or_default() += count;
        }
        let overflow = self.sum(|block| block.outcomes().overflow());
        let mut outcomes = Outcomes { counts, others: overflow, dropped: usize::from(overflow > 0) };
        self.keep_known(&mut outcomes);
        outcomes
    }

    /// Moves what may have no series to the others.
    fn keep_known(&self, Outcomes { counts, others, dropped }: &mut Outcomes) {
        let layout = self.metrics.layout();
        let most = layout.max_series().of_outcomes().max(layout.slots().len());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|outcome, count| {
            let is_known = known.contains(outcome) || known.len() < most && known.insert(*outcome);
            if !is_known {
                *others += *count;
                *dropped += 1;
            }
            is_known
        });
    }

    fn requests(&self, outcomes: &Outcomes) -> MetricFamily {
        let slots = self.metrics.layout().slots();
        let sample = |(outcome, requests): (&Outcome, &u64)| {
            let RouteLabels { route, group } = &slots[outcome.slot];
            REQUESTS.sample(&[&outcome.code.label(), outcome.end().word(), group, route], count(*requests))
        };
        let mut samples: Vec<_> = outcomes.counts.iter().map(sample).collect();
        if outcomes.others > 0 {
            samples.push(REQUESTS.sample(&["other"; 4], count(outcomes.others)));
        }
        REQUESTS.with(samples)
    }

    fn failed(&self) -> MetricFamily {
        let sample = |(slot, labels): (usize, &RouteLabels)| {
            FAILED.sample(&[&labels.group, &labels.route], count(self.sum(|block| block.failed(slot))))
        };
        FAILED.with(self.slots().map(sample).collect())
    }

    fn retries(&self) -> MetricFamily {
        let retries =
            |(slot, labels): (usize, &RouteLabels)| (labels.group.clone(), self.sum(|block| block.retries(slot)));
        by_group(&RETRIES, self.slots().map(retries))
    }

    fn shed(&self, outcomes: &Outcomes) -> MetricFamily {
        let slots = self.metrics.layout().slots();
        let shed = outcomes.counts.iter().filter(|(outcome, _)| outcome.end() == End::Shed);
        let none = self.slots().map(|(_, labels)| (labels.group.clone(), 0));
        by_group(&SHED, none.chain(shed.map(|(outcome, count)| (slots[outcome.slot].group.clone(), *count))))
    }

    fn dropped(&self, outcomes: &Outcomes) -> MetricFamily {
        let of_routes = self.metrics.layout().dropped_series();
        DROPPED.with(vec![
            DROPPED.sample(&[REQUESTS.name], number(outcomes.dropped)),
            DROPPED.sample(&[TOTAL.name], number(of_routes)),
            DROPPED.sample(&["lb_backend_requests_total"], number((self.dropped_of_backends)())),
        ])
    }

    fn histogram(&self, family: &Family, phase: Phase) -> MetricFamily {
        let buckets = self.metrics.layout().buckets(phase);
        let sample = |(slot, labels): (usize, &RouteLabels)| {
            let mut blocks = self.metrics.workers().iter().map(|block| block.counts(slot, phase, buckets));
            let mut sum = blocks.next()?;
            blocks.for_each(|counts| sum.merge(&counts));
            Some(family.histogram_sample(&[&labels.group, &labels.route], &sum, buckets.bounds()))
        };
        family.with(self.slots().filter_map(sample).collect())
    }
}

/// Sums by group.
fn by_group(family: &Family, counts: impl Iterator<Item = (String, u64)>) -> MetricFamily {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    // A request that was not routed has no group.
    for (group, more) in counts.filter(|(group, _)| !group.is_empty()) {
        *sums.entry(group).or_default() += more;
    }
    family.with(sums.into_iter().map(|(group, sum)| family.sample(&[&group], count(sum))).collect())
}

impl Collector for RequestCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let outcomes = self.outcomes();
        vec![
            self.requests(&outcomes),
            self.failed(),
            self.retries(),
            self.shed(&outcomes),
            self.dropped(&outcomes),
            self.histogram(&TOTAL, Phase::Total),
            self.histogram(&QUEUE, Phase::Queue),
            self.histogram(&CONNECT, Phase::Connect),
            self.histogram(&FIRST_BYTE, Phase::FirstByte),
            self.histogram(&OWN, Phase::Own),
        ]
    }
}
