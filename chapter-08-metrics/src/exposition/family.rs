//! Metric families, as the crate `prometheus` has them: a name, a help text, a type, and samples with labels.

use std::time::Duration;

use prometheus::{
    core::Desc,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

use crate::record::worker_block::HistogramCounts;

/// A metric without its samples.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name, with its unit.
    pub name: &'static str,
    help: &'static str,
    kind: MetricType,
    /// The names of its labels, in the order in which samples give the values.
    pub labels: &'static [&'static str],
}

impl Family {
    /// A counter, whose value never decreases.
    pub const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, help, kind: MetricType::COUNTER, labels }
    }

    /// A gauge.
    pub const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, help, kind: MetricType::GAUGE, labels }
    }

    /// A histogram.
    pub const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, help, kind: MetricType::HISTOGRAM, labels }
    }

    /// How a registry knows it.
    ///
    /// # Panics
    /// Its name, or one of a label, is not valid.
    pub fn desc(&self) -> Desc {
        let labels = self.labels.iter().map(|label| (*label).to_owned()).collect();
        Desc::new(self.name.to_owned(), self.help.to_owned(), labels, std::collections::HashMap::default())
            .expect("names and labels are constants, and valid")
    }

    /// With these samples.
    pub fn with(&self, samples: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(self.kind);
        family.set_metric(samples);
        family
    }

    /// With one sample, without labels.
    pub fn with_one(&self, value: f64) -> MetricFamily {
        self.with(vec![self.sample(&[], value)])
    }

    /// A sample of a counter or a gauge, with a value for each label.
    pub fn sample(&self, labels: &[&str], value: f64) -> Metric {
        let mut metric = self.metric(labels);
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        metric
    }

    /// A sample of a histogram with these upper bounds, in seconds.
    pub(super) fn histogram_sample(
        &self,
        labels: &[&str],
        counts: &HistogramCounts,
        bounds: impl Iterator<Item = f64>,
    ) -> Metric {
        let mut cumulative = 0;
        let buckets = bounds.zip(&counts.buckets).map(|(bound, count)| {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(cumulative);
            bucket
        });
        let mut histogram = Histogram::default();
        // Without the last bucket, which has no bound: the encoder writes the count of all as that of `+Inf`.
        histogram.set_bucket(buckets.collect());
        // The sum of the buckets, and no counter of its own: so the two agree, whenever they are read.
        histogram.set_sample_count(counts.buckets.iter().sum());
        histogram.set_sample_sum(counts.sum.as_secs_f64());
        let mut metric = self.metric(labels);
        metric.set_histogram(histogram);
        metric
    }

    fn metric(&self, labels: &[&str]) -> Metric {
        debug_assert_eq!(labels.len(), self.labels.len(), "a value for each label of {}", self.name);
        let pairs = self.labels.iter().zip(labels).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        let mut metric = Metric::default();
        metric.set_label(pairs.collect());
        metric
    }
}

/// A count as the text format has it: a double, exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "the format has doubles only")]
pub fn count(count: u64) -> f64 {
    count as f64
}

/// A number of things.
pub fn number(number: usize) -> f64 {
    count(u64::try_from(number).unwrap_or(u64::MAX))
}

/// Whether a claim holds.
pub fn boolean(claim: bool) -> f64 {
    f64::from(u8::from(claim))
}

/// A duration in seconds.
pub fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
