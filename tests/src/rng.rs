//! Reproducible randomness and bodies: a failure names its seed and can be repeated.

use sha2::{Digest, Sha256};

/// A small pseudo-random generator (xorshift64*, Vigna 2016); good enough to shuffle bytes.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator for this seed; 0 is a valid seed.
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.number() >> 16) % bound as u64).expect("below a usize")
    }

    /// One of `choices`.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// `length` random bytes, uniformly from 0 to 255.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.number().to_be_bytes()[0]).collect()
    }
}

/// A random block to build large bodies from: a lost or doubled piece changes the digest.
pub fn block() -> Vec<u8> {
    Rng::new(7).bytes(64 * 1024)
}

/// SHA-256, computed piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Sha256Hasher(Sha256);

impl Sha256Hasher {
    /// Adds a piece.
    pub fn add(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
        assert_eq!(Rng::new(1).bytes(64), Rng::new(1).bytes(64));
        assert_ne!(Rng::new(1).bytes(64), Rng::new(2).bytes(64));
    }
}
