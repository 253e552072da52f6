//! Which requests share series: the labels `route` and `group`, and how many series there may be.
//!
//! Labels come from the configuration, never from a request: nobody can create a series by what he sends. What is left
//! to bound is the configuration itself, and the combinations of labels: a thousand routes with four histograms each
//! would be 80,000 series. Routes beyond the limit share the series of the route `other`.

use std::num::NonZeroUsize;

use common::http::RouteId;

use crate::histogram::Buckets;

/// The labels of requests that share counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLabels {
    /// The route's name; `default` if no rule matched, and empty for a request that was never routed.
    pub route: String,
    /// The group's name; empty if there was none.
    pub group: String,
}

/// The routes' slots.
#[derive(Debug)]
pub struct Layout {
    slots: Vec<RouteLabels>,
    /// The slot of each route.
    by_route: Vec<u16>,
    max_series: MaxSeries,
    buckets: Buckets,
    own_buckets: Buckets,
}

/// The histograms of each route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// From the first byte of the request to its end.
    Total,
    /// In the group's queue.
    Queue,
    /// Until a new connection to a backend was established.
    Connect,
    /// From the connection to the first byte of the response.
    FirstByte,
    /// What the worker computed until the connection. The last one: its buckets are others.
    Own,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Total, Self::Queue, Self::Connect, Self::FirstByte, Self::Own];
}

/// The most series, in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxSeries(NonZeroUsize);

impl MaxSeries {
    /// Fewer than this would not hold the process's own.
    pub const LEAST: usize = 1_000;
    /// Two gigabytes of text.
    pub const MOST: usize = 10_000_000;

    /// At most `series`.
    ///
    /// # Errors
    /// Not from [`LEAST`](Self::LEAST) to [`MOST`](Self::MOST).
    pub fn new(series: usize) -> Result<Self, String> {
        let is_valid = (Self::LEAST..=Self::MOST).contains(&series);
        let valid = NonZeroUsize::new(series).filter(|_| is_valid).map(Self);
        valid.ok_or_else(|| format!("expected a number of series from {} to {}", Self::LEAST, Self::MOST))
    }

    /// For the histograms of routes.
    fn of_routes(self) -> usize {
        self.0.get() / 8 * 3
    }

    /// For the combinations of route, code and end.
    pub fn of_outcomes(self) -> usize {
        self.0.get() / 16
    }

    /// For backends.
    pub fn of_backends(self) -> usize {
        self.0.get() / 2
    }
}

impl Default for MaxSeries {
    fn default() -> Self {
        Self::new(50_000).expect("that is in the range")
    }
}

/// The slot of requests that were not routed: their heads are not valid.
const UNROUTED: usize = 0;
/// The slot of requests that no rule matched.
const DEFAULT: usize = 1;
/// The slot of all routes that have none of their own.
const OTHER: usize = 2;

impl Layout {
    /// For these routes, each with its group, by [`RouteId`]. `default_group` gets the requests that no rule matches.
    /// `buckets` are those of all histograms but that of the balancer's own time.
    pub fn new<'a>(
        routes: impl IntoIterator<Item = (&'a str, &'a str)>,
        default_group: Option<&str>,
        buckets: Buckets,
        max_series: MaxSeries,
    ) -> Self {
        let labels = |route: &str, group: &str| RouteLabels { route: route.to_owned(), group: group.to_owned() };
        let mut slots =
            vec![labels("", ""), labels("default", default_group.unwrap_or_default()), labels("other", "other")];
        let own_buckets = Buckets::of_own_time();
        let most = (max_series.of_routes() / series_per_route([&buckets, &own_buckets]))
            .clamp(slots.len(), usize::from(u16::MAX));
        let mut slot_of = |(route, group)| {
            if slots.len() >= most {
                return u16::try_from(OTHER).unwrap_or_default();
            }
            slots.push(labels(route, group));
            u16::try_from(slots.len() - 1).unwrap_or(u16::MAX) // there are at most 65,535
        };
        let by_route = routes.into_iter().map(&mut slot_of).collect();
        Self { slots, by_route, max_series, buckets, own_buckets }
    }

    /// The slot of a request. `routed`: its head was valid.
    pub fn slot(&self, routed: bool, route: Option<RouteId>) -> usize {
        match route {
            Some(RouteId(id)) => self.by_route.get(usize::from(id)).map_or(OTHER, |slot| usize::from(*slot)),
            None if routed => DEFAULT,
            None => UNROUTED,
        }
    }

    /// The labels of each slot.
    pub fn slots(&self) -> &[RouteLabels] {
        &self.slots
    }

    /// Whether requests can have this slot at all.
    pub fn is_used(&self, slot: usize) -> bool {
        slot != OTHER || self.routes_without_slot() > 0
    }

    /// How many routes share the slot `other`.
    pub fn routes_without_slot(&self) -> usize {
        self.by_route.iter().filter(|slot| usize::from(**slot) == OTHER).count()
    }

    /// How many series those would have.
    pub fn dropped_series(&self) -> usize {
        self.routes_without_slot() * series_per_route([&self.buckets, &self.own_buckets])
    }

    /// The bounds of a histogram.
    #[inline]
    pub fn buckets(&self, phase: Phase) -> &Buckets {
        if phase == Phase::Own { &self.own_buckets } else { &self.buckets }
    }

    /// The most series.
    pub fn max_series(&self) -> MaxSeries {
        self.max_series
    }
}

/// Four histograms and that of the own time, each with its buckets, sum and count.
fn series_per_route([buckets, own_buckets]: [&Buckets; 2]) -> usize {
    (Phase::ALL.len() - 1) * (buckets.count() + 2) + own_buckets.count() + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(routes: usize, max_series: usize) -> Layout {
        let names: Vec<_> = (0..routes).map(|number| format!("r{number}")).collect();
        let routes = names.iter().map(|name| (name.as_str(), "g"));
        Layout::new(routes, Some("d"), Buckets::default(), MaxSeries::new(max_series).unwrap())
    }

    #[test]
    fn each_route_has_labels_and_so_has_no_route() {
        let layout = layout(2, 50_000);
        let labels = |routed, route: Option<u16>| {
            let labels = &layout.slots()[layout.slot(routed, route.map(RouteId))];
            (labels.route.as_str(), labels.group.as_str())
        };
        assert_eq!(labels(true, Some(0)), ("r0", "g"));
        assert_eq!(labels(true, Some(1)), ("r1", "g"));
        assert_eq!(labels(true, None), ("default", "d"));
        assert_eq!(labels(false, None), ("", ""));
        assert_eq!(labels(true, Some(9)), ("other", "other"), "no such route");
        assert_eq!((layout.routes_without_slot(), layout.dropped_series(), layout.is_used(2)), (0, 0, false));
    }

    #[test]
    fn routes_beyond_the_limit_share_their_series() {
        let layout = layout(1_000, 50_000);
        assert_eq!(layout.slots().len(), 18_750 / 93);
        let shared = 1_000 - (201 - 3);
        assert_eq!((layout.routes_without_slot(), layout.dropped_series()), (shared, shared * 93));
        assert_eq!(layout.slots()[layout.slot(true, Some(RouteId(999)))].route, "other");
        assert!(layout.is_used(2));
        assert_eq!(super::tests::layout(5, 1_000).slots().len(), 4, "three of them and one route");
    }

    #[test]
    fn a_limit_has_limits() {
        assert!(MaxSeries::new(999).is_err() && MaxSeries::new(10_000_001).is_err());
        let MaxSeries(series) = MaxSeries::default();
        let [routes, outcomes, backends] = [MaxSeries::of_routes, MaxSeries::of_outcomes, MaxSeries::of_backends]
            .map(|part| part(MaxSeries::default()));
        assert!(routes + outcomes + backends < series.get(), "some are left for the process");
    }
}
