//! The solution of exercise 8.3.
#![expect(clippy::cast_precision_loss, reason = "Prometheus computes with doubles")]

use crate::contracts::Bucket;

/// A percentile of the numbers in these buckets: `q` is 0.99 for the 99th.
pub fn quantile(q: f64, buckets: &[Bucket]) -> Option<f64> {
    let all = buckets.last()?.cumulative;
    if all == 0 || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let rank = q * all as f64;
    let mut below = Bucket { bound: 0.0, cumulative: 0 };
    for bucket in buckets {
        let inside = bucket.cumulative - below.cumulative;
        if bucket.cumulative as f64 >= rank && inside > 0 {
            if bucket.bound.is_infinite() {
                return (buckets.len() > 1).then_some(below.bound);
            }
            let share = (rank - below.cumulative as f64) / inside as f64;
            return Some(below.bound + (bucket.bound - below.bound) * share);
        }
        below = *bucket;
    }
    None
}
