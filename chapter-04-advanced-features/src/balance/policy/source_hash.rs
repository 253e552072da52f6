//! Source hash: the client's hash modulo the weights.
//!
//! **Use it** to see why the consistent hashes exist. A client keeps its backend for as long as nothing changes;
//! but the modulus is the number of backends, so when one of n is added or removed, about (n - 1) / n of all clients
//! move, where 1 / n had to. Nearly all clients lose their session or their warm cache at once. nginx's `ip_hash`,
//! HAProxy's `balance source` with `hash-type map-based`.
//!
//! **Cost**: a multiplication or two and a binary search; no table, no shared writes.
//!
//! It hashes whatever key is configured; the name is the usual one. Clients behind one address (an office, a mobile
//! network) are one client here: shares are only as even as the addresses.

use super::{hash::mix, weighted_distribution::WeightedDistribution};

// ANCHOR: pick
/// The index that this key maps to; if it is not eligible, an eligible one that the key alone determines.
pub fn pick(distribution: &WeightedDistribution, key: u64, eligible: impl Fn(usize) -> bool) -> Option<usize> {
    let hash = mix(key);
    let index = distribution.index_at(hash.checked_rem(distribution.total_weight())?);
    // Hash once more: the clients of one full backend are distributed over all others, not sent to its neighbour.
    if eligible(index) { Some(index) } else { distribution.sample_among(mix(hash), eligible) }
}
// ANCHOR_END: pick

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_backend_and_keys_follow_the_weights() {
        let distribution = WeightedDistribution::new([3, 2, 1]);
        let mut counts = [0_i32; 3];
        for key in 0..60_000 {
            let index = pick(&distribution, key, |_| true).unwrap();
            assert_eq!(pick(&distribution, key, |_| true), Some(index));
            counts[index] += 1;
        }
        for (count, fair) in counts.into_iter().zip([30_000, 20_000, 10_000]) {
            assert!((count - fair).abs() < 600, "{counts:?}");
        }
    }

    #[test]
    fn clients_of_an_ineligible_backend_are_distributed_and_the_others_stay() {
        let distribution = WeightedDistribution::new([1; 4]);
        let mut inherited = [0_i32; 4];
        for key in 0..40_000 {
            let before = pick(&distribution, key, |_| true).unwrap();
            let after = pick(&distribution, key, |index| index != 1).unwrap();
            match before {
                1 => inherited[after] += 1,
                _ => assert_eq!(before, after),
            }
        }
        assert!([0, 2, 3].iter().all(|index| (inherited[*index] - 3_333).abs() < 200), "{inherited:?}");
        assert_eq!(pick(&distribution, 1, |_| false), None);
    }
}
