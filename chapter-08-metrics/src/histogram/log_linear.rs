//! A log-linear histogram: buckets by the leading bits of the number, as in `HdrHistogram`.
//!
//! WHEN TO USE IT: when nobody knows the range in advance, or a percentile has to be right to a few percent everywhere,
//! as in a load generator. Each power of two is divided into the same number of buckets, so the width of a bucket is a
//! fixed part of the numbers in it. What it costs: hundreds of buckets, far too many to expose each as a series of its
//! own. (Prometheus's *native* histograms are such histograms, sent as one sample.)

use super::buckets::rank;

/// A histogram with 2^`bits` buckets per power of two.
#[derive(Clone, Debug)]
pub struct LogLinear {
    bits: u32,
    counts: Box<[u64]>,
}

impl LogLinear {
    /// A number is known within 1 / 2^`bits` of itself. `bits` is at most 16.
    pub fn new(bits: u32) -> Self {
        let bits = bits.min(16);
        // The numbers below 2^(bits + 1) have a bucket each; then each of the powers up to 2^63 has 2^bits.
        let buckets = ((u64::BITS - bits + 1) as usize) << bits;
        Self { bits, counts: vec![0; buckets].into_boxed_slice() }
    }

    // ANCHOR: index
    /// The bucket of a number: which power of two, and the `bits` bits behind its leading one.
    pub fn index(&self, number: u64) -> usize {
        let length = u64::BITS - number.leading_zeros();
        let shift = length.saturating_sub(self.bits + 1);
        let index = (u64::from(shift) << self.bits) + (number >> shift);
        usize::try_from(index).unwrap_or(usize::MAX) // there are less than 2^22
    }
    // ANCHOR_END: index

    /// The largest number of a bucket.
    pub fn upper_bound(&self, index: usize) -> u64 {
        let per_power = 1_usize << self.bits;
        let shift = (index / per_power).saturating_sub(1);
        let leading = index - (shift << self.bits);
        // Wraps to the largest number of all in the last bucket.
        (u64::try_from(leading + 1).unwrap_or(u64::MAX) << shift).wrapping_sub(1)
    }

    /// Counts a number.
    pub fn record(&mut self, number: u64) {
        self.counts[self.index(number)] += 1;
    }

    /// Adds the counts of another one, of as many bits.
    ///
    /// # Panics
    /// Its buckets are others.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.bits, other.bits, "only the same buckets can be added");
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
    }

    /// The upper bound of the bucket that holds the quantile; `None` of nothing.
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        let rank = rank(self.counts.iter().sum(), quantile)?;
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(self.upper_bound(index))
    }

    /// The memory that the counts take, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.counts)
    }

    /// How many buckets are not empty.
    pub fn used(&self) -> usize {
        self.counts.iter().filter(|count| **count > 0).count()
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_is_as_narrow_as_promised(bits in 0..=16_u32, number: u64, shift in 0..64_u32) {
            let (histogram, number) = (LogLinear::new(bits), number >> shift);
            let index = histogram.index(number);
            let upper = histogram.upper_bound(index);
            prop_assert!(upper >= number && histogram.index(upper) == index);
            prop_assert!(upper - number <= number >> bits, "{} to {}", number, upper);
            if let Some(next) = upper.checked_add(1) {
                prop_assert_eq!(histogram.index(next), index + 1);
            }
        }

        #[test]
        fn quantiles_agree_with_hdrhistogram(numbers in prop::collection::vec(1..10_000_000_000_u64, 1..500)) {
            let mut ours = LogLinear::new(11);
            let mut theirs = Histogram::<u64>::new(3).unwrap();
            for number in numbers {
                ours.record(number);
                theirs.record(number).unwrap();
            }
            for quantile in [0.0, 0.5, 0.9, 0.99, 1.0] {
                let (ours, theirs) = (ours.quantile(quantile).unwrap(), theirs.value_at_quantile(quantile));
                let difference = ours.abs_diff(theirs);
                prop_assert!(difference <= theirs / 500, "{}: {} and {}", quantile, ours, theirs);
            }
        }
    }

    #[test]
    fn histograms_can_be_added_and_know_their_size() {
        let (mut one, mut other) = (LogLinear::new(5), LogLinear::new(5));
        one.record(1_000);
        other.record(1_000_000);
        one.merge(&other);
        assert_eq!((one.quantile(0.5), one.used()), (Some(1_007), 2));
        assert!(one.quantile(1.0).unwrap() >= 1_000_000);
        assert_eq!(one.bytes(), 60 * 32 * 8);
        assert_eq!(LogLinear::new(5).quantile(0.5), None);
    }
}
