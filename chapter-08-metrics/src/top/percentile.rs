//! A percentile, estimated from the counts of a histogram's buckets.
//!
//! As Prometheus's `histogram_quantile` does: the numbers of a bucket are taken to be spread evenly over it. So this
//! screen and a dashboard over the same seconds show the same.

use crate::histogram::rank;

/// What the buckets say about a percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Percentile {
    /// About so many nanoseconds.
    About(u64),
    /// More than so many nanoseconds, which is the last bound.
    Above(u64),
}

/// The percentile `share`, such as 0.99, of what was counted in buckets with these upper bounds. `None` if nothing was.
pub fn percentile(bounds_ns: &[u64], counts: &[u64], share: f64) -> Option<Percentile> {
    let total = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let rank = rank(total, share)?;
    let mut below = 0_u64;
    for (index, count) in counts.iter().enumerate() {
        let upto = below.saturating_add(*count);
        if upto >= rank {
            // A histogram has one bucket more than there are bounds; a document might have any number.
            let Some(upper) = bounds_ns.get(index) else { break };
            let lower = index.checked_sub(1).map_or(0, |before| bounds_ns[before]);
            return Some(Percentile::About(interpolate(lower, *upper, rank - below, *count)));
        }
        below = upto;
    }
    bounds_ns.last().map(|last| Percentile::Above(*last))
}

/// `part` of `whole` of the way from `lower` to `upper`.
fn interpolate(lower: u64, upper: u64, part: u64, whole: u64) -> u64 {
    let step = u128::from(upper.saturating_sub(lower)) * u128::from(part) / u128::from(whole.max(1));
    lower.saturating_add(u64::try_from(step).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [u64; 3] = [100, 200, 400];

    #[test]
    fn a_percentile_lies_inside_its_bucket() {
        for (counts, share, expected) in [
            ([10, 0, 0, 0], 0.5, Some(Percentile::About(50))),
            ([10, 0, 0, 0], 0.99, Some(Percentile::About(100))),
            ([0, 0, 4, 0], 0.5, Some(Percentile::About(300))),
            ([5, 5, 0, 0], 0.9, Some(Percentile::About(180))),
            ([99, 0, 0, 1], 0.99, Some(Percentile::About(100))),
            ([98, 0, 0, 2], 0.99, Some(Percentile::Above(400))),
            ([0, 0, 0, 0], 0.5, None),
        ] {
            assert_eq!(percentile(&BOUNDS, &counts, share), expected, "{counts:?} {share}");
        }
    }

    #[test]
    fn any_document_is_taken() {
        assert_eq!(percentile(&[], &[1, 2], 0.5), None, "no bounds");
        assert_eq!(percentile(&BOUNDS, &[], 0.5), None, "no buckets");
        assert_eq!(percentile(&BOUNDS, &[0, 0, 0, 0, 0, 7], 0.5), Some(Percentile::Above(400)), "more buckets");
        assert_eq!(percentile(&[400, 100], &[0, 7, 0], 0.5), Some(Percentile::About(400)), "descending bounds");
        assert!(percentile(&[u64::MAX], &[u64::MAX, u64::MAX], 1.0).is_some(), "no overflow");
    }
}
