//! Source hash: the client's hash modulo the weights.
//!
//! **Use it** to see why the consistent hashes exist. A client keeps its backend for as long as nothing changes;
//! but the modulus is the number of backends, so when one of n comes or goes, about (n - 1) / n of all clients
//! move, where 1 / n had to. Nearly everyone loses their session or their warm cache at once. nginx's `ip_hash`,
//! HAProxy's `balance source` with `hash-type map-based`.
//!
//! **Cost**: a multiplication or two and a binary search; no table, nothing shared is written.
//!
//! Whatever is configured is hashed; the name is the custom's. Clients behind one address (an office, a phone
//! network) are one client here: shares are only as even as the addresses are.

use super::{hash::mix, weighted_distribution::WeightedDistribution};

// ANCHOR: pick
/// The slot that this key falls on; if it is not usable, a usable one that the key alone decides.
pub fn pick(shares: &WeightedDistribution, key: u64, eligible: impl Fn(usize) -> bool) -> Option<usize> {
    let hash = mix(key);
    let slot = shares.index_at(hash.checked_rem(shares.total_weight())?);
    // Hashed once more: the clients of one full backend spread over all others, not over its neighbour.
    if eligible(slot) { Some(slot) } else { shares.sample_among(mix(hash), eligible) }
}
// ANCHOR_END: pick

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_slot_and_keys_follow_the_weights() {
        let shares = WeightedDistribution::new([3, 2, 1]);
        let mut counts = [0_i32; 3];
        for key in 0..60_000 {
            let slot = pick(&shares, key, |_| true).unwrap();
            assert_eq!(pick(&shares, key, |_| true), Some(slot));
            counts[slot] += 1;
        }
        for (count, fair) in counts.into_iter().zip([30_000, 20_000, 10_000]) {
            assert!((count - fair).abs() < 600, "{counts:?}");
        }
    }

    #[test]
    fn the_clients_of_an_unusable_one_spread_and_the_others_stay() {
        let shares = WeightedDistribution::new([1; 4]);
        let mut heirs = [0_i32; 4];
        for key in 0..40_000 {
            let before = pick(&shares, key, |_| true).unwrap();
            let after = pick(&shares, key, |slot| slot != 1).unwrap();
            match before {
                1 => heirs[after] += 1,
                _ => assert_eq!(before, after),
            }
        }
        assert!([0, 2, 3].iter().all(|slot| (heirs[*slot] - 3_333).abs() < 200), "{heirs:?}");
        assert_eq!(pick(&shares, 1, |_| false), None);
    }
}
