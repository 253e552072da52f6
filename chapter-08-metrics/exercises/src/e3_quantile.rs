//! Exercise 8.3: a percentile from buckets (an hour).
//!
//! **Contract.** [`quantile`] returns what Prometheus's `histogram_quantile` says of these buckets.
//!
//! - The buckets are in ascending order of their bounds; the last one's is infinite. A bucket's count includes those of
//!   the buckets before it.
//! - Without buckets, or if nothing was counted: `None`. So it is for a `q` that is not from 0 to 1.
//! - The *rank* is `q` times the number of all. The percentile lies in the first bucket whose cumulative count is at
//!   least the rank, and that is not empty.
//! - Within that bucket, the numbers are assumed to be spread evenly from its lower bound (that of the bucket before, or
//!   0 for the first) to its upper bound.
//! - If it is the last bucket, nothing is known but that the number is larger: the answer is the last finite bound. If
//!   there is none: `None`.

use crate::contracts::Bucket;

/// A percentile of the numbers in these buckets: `q` is 0.99 for the 99th.
pub fn quantile(q: f64, buckets: &[Bucket]) -> Option<f64> {
    let all = buckets.last()?.cumulative;
    #[expect(clippy::cast_precision_loss, reason = "as Prometheus")]
    let rank = q * all as f64;
    #[expect(clippy::cast_precision_loss, reason = "as Prometheus")]
    let bucket = buckets.iter().find(|bucket| bucket.cumulative as f64 >= rank)?;
    Some(bucket.bound)
}
