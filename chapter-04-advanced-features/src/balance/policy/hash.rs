//! The hash of all policies: 64 bits, the same in every build and on every machine.
//!
//! These numbers determine which backend a client goes to. The standard library's hashers are no option:
//! `RandomState` differs in every process, and `DefaultHasher` may change with the compiler; each would move
//! every client at a restart. The tests below pin the values.
//!
//! The input is mixed eight bytes at a time with the finaliser of `SplitMix64` (Steele, Lea, Flood 2014), a
//! bijection in which each bit of the input changes half of the output. Cost: a few nanoseconds for each 8 bytes.
//! It is not cryptographic: a client that knows the seed can choose keys that collide on one backend, but a client that
//! chooses its keys can do that anyway, by sending the same key again.

/// 2^64 divided by the golden ratio, odd: its multiples are evenly distributed over all 64-bit numbers.
pub const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The hash of bytes, such as a backend's name or a client's address.
pub fn hash(bytes: &[u8]) -> u64 {
    hash_with_seed(0, bytes)
}

/// As [`hash`], but different for each seed.
pub fn hash_with_seed(seed: u64, bytes: &[u8]) -> u64 {
    // The length goes first, because the last word is padded with zeros: `a` and `a\0` must differ.
    let start = combine(seed, bytes.len() as u64);
    let (words, rest) = bytes.as_chunks();
    let state = words.iter().fold(start, |state, word| combine(state, u64::from_le_bytes(*word)));
    if rest.is_empty() {
        return state;
    }
    combine(state, rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
}

/// Combines two numbers into one hash; the order matters.
pub fn combine(a: u64, b: u64) -> u64 {
    mix(a.wrapping_add(GOLDEN_GAMMA) ^ mix(b))
}

/// Mixes a number over all 64 bits without collisions: the finaliser of `SplitMix64`.
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(GOLDEN_GAMMA);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Mixes a number whose bits are random already, with one multiplication: both halves of a 128-bit product (Yi 2020,
/// `wyhash`). Half the cost of [`mix`], where a number is hashed with each of a thousand others.
#[expect(clippy::cast_possible_truncation, reason = "the low half of the product")]
pub fn mix_random(number: u64) -> u64 {
    let product = u128::from(number) * u128::from(GOLDEN_GAMMA);
    (product >> 64) as u64 ^ product as u64
}

/// Scales a uniform number to `0..bound`, uniformly, without a division (Lemire 2019). 0 if `bound` is 0.
pub fn scale_to_range(uniform: u64, bound: u64) -> u64 {
    let product = u128::from(uniform) * u128::from(bound);
    (product >> 64) as u64
}

/// Converts a uniform number to a fraction greater than 0 and less than 1.
#[expect(clippy::cast_precision_loss, reason = "52 bits and the half are the 53 that an f64 holds")]
pub fn unit_fraction(uniform: u64) -> f64 {
    ((uniform >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, every client of every user of this balancer moves at the next upgrade.
    #[test]
    fn hash_values_are_pinned() {
        // The first outputs of SplitMix64 seeded with 0 and 1, as published with its reference code.
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(mix(1), 0x910A_2DEC_8902_5CC1);
        let cases: [(u64, &[u8], u64); 5] = [
            (0, b"", 0x7D91_D4C3_FE86_F0DE),
            (0, b"127.0.0.1:9001", 0xFF68_790B_2C4F_8E13),
            (0, b"127.0.0.1:9002", 0x5DE4_7B82_22BB_1FE9),
            (7, b"127.0.0.1:9001", 0xBD63_322B_EEBF_C2A2),
            (0, &[10, 0, 0, 1], 0xEA48_EDED_80CC_49E0),
        ];
        for (seed, bytes, expected) in cases {
            assert_eq!(hash_with_seed(seed, bytes), expected, "{seed} {bytes:?} {:#x}", hash_with_seed(seed, bytes));
        }
    }

    #[test]
    fn similar_inputs_have_different_hashes() {
        let texts: [&[u8]; 6] = [b"a", b"a\0", b"b", b"aaaaaaaa", b"aaaaaaaab", b"aaaaaaaaa"];
        for (i, a) in texts.iter().enumerate() {
            for b in &texts[i + 1..] {
                let differing = (hash(a) ^ hash(b)).count_ones();
                assert!((12..=52).contains(&differing), "{a:?} {b:?}: {differing} of 64 bits");
            }
        }
        assert_ne!(combine(1, 2), combine(2, 1));
    }

    #[test]
    fn scales_into_the_range() {
        assert_eq!(
            [scale_to_range(0, 3), scale_to_range(u64::MAX, 3), scale_to_range(u64::MAX / 2, 3), scale_to_range(9, 0)],
            [0, 2, 1, 0]
        );
        assert!(unit_fraction(0) > 0.0 && unit_fraction(u64::MAX) < 1.0);
    }
}
