//! Fixed buckets: bounds that somebody has chosen.

use std::{str::FromStr, time::Duration};

/// The bounds of the buckets of a histogram, ascending. A duration belongs to the first bucket whose bound is not below
/// it; those beyond the last bound have a bucket of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// In nanoseconds.
    bounds: Box<[u64]>,
    /// The first bucket for numbers with so many bits: the search begins there.
    first_by_bits: [u8; 65],
}

/// Each bucket of each route is a series.
const MAX_BOUNDS: usize = 64;

/// Why a text is not a list of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketsError(&'static str);

impl std::fmt::Display for BucketsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BucketsError {}

impl Default for Buckets {
    /// 100 µs to 30 s: what passes through a proxy takes from a fraction of a millisecond to a timeout.
    fn default() -> Self {
        "0.0001,0.00025,0.0005,0.001,0.0025,0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10,30"
            .parse()
            .expect("these are ascending")
    }
}

impl Buckets {
    /// 1 µs to 100 ms: what a balancer computes itself takes microseconds, unless something blocks it.
    pub fn of_own_time() -> Self {
        let micros = [1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 1e3, 10e3, 100e3];
        Self::new(micros.into_iter().map(|micros| nanos(micros / 1e6)).collect())
    }

    fn new(bounds: Box<[u64]>) -> Self {
        let first = |bits: usize| {
            // The least number with so many bits.
            let least = if bits == 0 { 0 } else { 1_u64 << (bits - 1) };
            u8::try_from(bounds.partition_point(|bound| *bound < least)).expect("there are at most 64")
        };
        let first_by_bits = std::array::from_fn(first);
        Self { bounds, first_by_bits }
    }

    // ANCHOR: index
    /// The bucket of a number of nanoseconds.
    #[inline]
    pub fn index(&self, nanos: u64) -> usize {
        let bits = u64::BITS - nanos.leading_zeros();
        let mut index = usize::from(self.first_by_bits[bits as usize]);
        while index < self.bounds.len() && nanos > self.bounds[index] {
            index += 1;
        }
        index
    }
    // ANCHOR_END: index

    /// How many buckets there are, that beyond the last bound included.
    pub fn count(&self) -> usize {
        self.bounds.len() + 1
    }

    /// The bounds in seconds.
    pub fn bounds(&self) -> impl Iterator<Item = f64> {
        self.bounds.iter().map(|nanos| Duration::from_nanos(*nanos).as_secs_f64())
    }

    /// The bounds in nanoseconds.
    pub fn bounds_ns(&self) -> &[u64] {
        &self.bounds
    }

    /// The least bound, in nanoseconds, that at least the share `quantile` of the counted numbers does not exceed: what
    /// a reader of the buckets can say about a percentile. `None` if it lies beyond the last bound, or nothing was
    /// counted.
    pub fn quantile(&self, counts: &[u64], quantile: f64) -> Option<u64> {
        let rank = rank(counts.iter().sum(), quantile)?;
        let mut seen = 0;
        let index = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        self.bounds.get(index).copied()
    }
}

/// The rank of a quantile among so many numbers, from 1; `None` of none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a rank is estimated from a share"
)]
pub(crate) fn rank(count: u64, quantile: f64) -> Option<u64> {
    (count > 0).then(|| ((count as f64 * quantile).ceil() as u64).clamp(1, count))
}

impl FromStr for Buckets {
    type Err = BucketsError;

    /// Seconds, ascending and separated by commas: `0.001,0.01,0.1,1`.
    fn from_str(text: &str) -> Result<Self, BucketsError> {
        let seconds =
            |word: &str| word.trim().parse::<f64>().ok().filter(|seconds| (1e-9..=86_400.0).contains(seconds));
        let bounds: Option<Vec<_>> = text.split(',').map(seconds).collect();
        let bounds =
            bounds.ok_or(BucketsError("expected seconds from 0.000000001 to 86400, such as 0.001,0.01,0.1,1"))?;
        let nanos: Box<[_]> = bounds.into_iter().map(nanos).collect();
        if !nanos.is_sorted_by(|one, next| one < next) {
            return Err(BucketsError("the bounds must be ascending"));
        }
        if nanos.len() > MAX_BOUNDS {
            return Err(BucketsError("at most 64 bounds"));
        }
        Ok(Self::new(nanos))
    }
}

fn nanos(seconds: f64) -> u64 {
    // Rounded: 0.0001 is not a sum of powers of two.
    u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_in_the_first_bucket_whose_bound_is_not_below_it(
            bounds in prop::collection::btree_set(1..u64::MAX, 1..=64), numbers in prop::collection::vec(any::<u64>(), 20)
        ) {
            let buckets = Buckets::new(bounds.iter().copied().collect());
            let near = bounds.iter().flat_map(|bound| [bound - 1, *bound, bound.saturating_add(1)]);
            for number in numbers.into_iter().chain(near).chain([0, 1, u64::MAX]) {
                let expected = bounds.iter().position(|bound| number <= *bound).unwrap_or(bounds.len());
                prop_assert_eq!(buckets.index(number), expected, "{}", number);
            }
        }
    }

    #[test]
    fn the_default_bounds_fit_a_proxy() {
        let buckets = Buckets::default();
        assert_eq!(buckets.count(), 18);
        assert_eq!(buckets.bounds().next(), Some(0.0001));
        assert_eq!(buckets.bounds().last(), Some(30.0));
        assert_eq!(Buckets::of_own_time().bounds().collect::<Vec<_>>()[..3], [1e-6, 2.5e-6, 5e-6]);
        assert_eq!((buckets.index(100_000), buckets.index(100_001), buckets.index(30_000_000_001)), (0, 1, 17));
    }

    #[test]
    fn bounds_are_ascending_seconds() {
        for (text, expected) in [
            ("", "expected seconds"),
            ("1,", "expected seconds"),
            ("1ms", "expected seconds"),
            ("0,1", "expected seconds"),
            ("-1", "expected seconds"),
            ("nan", "expected seconds"),
            ("inf", "expected seconds"),
            ("1e9", "expected seconds"),
            ("1,1", "ascending"),
            ("2,1", "ascending"),
            (&["1"; 65].join(","), "ascending"),
            (&(1..=65).map(|n| n.to_string()).collect::<Vec<_>>().join(","), "at most 64"),
        ] {
            let error = text.parse::<Buckets>().expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert_eq!(" 0.5, 1 ".parse::<Buckets>().unwrap().bounds().collect::<Vec<_>>(), [0.5, 1.0]);
    }

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let buckets: Buckets = "0.001,0.01,0.1".parse().unwrap();
        let counts = [50, 40, 9, 1];
        let millis = |quantile| buckets.quantile(&counts, quantile).map(|nanos| nanos / 1_000_000);
        assert_eq!([0.0, 0.5, 0.9, 0.99, 1.0].map(millis), [Some(1), Some(1), Some(10), Some(100), None]);
        assert_eq!(buckets.quantile(&[0; 4], 0.5), None);
    }
}
