//! SipHash-1-3 (Aumasson and Bernstein, 2012) of a message that is there as a whole.
//!
//! The standard library's hash maps use the same function. Its `Hasher` takes a message in pieces and buffers them: for
//! an address 177 instructions, of which 79 are left here.

use std::hash::{BuildHasher as _, RandomState};

/// A secret key.
#[derive(Clone, Debug)]
pub(super) struct SipHasher {
    key: [u64; 2],
}

impl SipHasher {
    /// A random key: two hashes by a key of the standard library's, which it has from the operating system.
    pub(super) fn random() -> Self {
        let secret = RandomState::new();
        Self { key: [0, 1].map(|half| secret.hash_one(half)) }
    }

    /// The hash of the message. Messages of different lengths differ.
    #[inline]
    pub(super) fn hash(&self, message: &[u8]) -> u64 {
        let [k0, k1] = self.key;
        let mut state = State([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ]);
        let (words, rest) = message.as_chunks();
        for word in words {
            state.compress(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        // The lowest byte of the length.
        last[7] = message.len().to_le_bytes()[0];
        state.compress(u64::from_le_bytes(last));
        state.finish()
    }
}

struct State([u64; 4]);

impl State {
    #[inline]
    fn compress(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline]
    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.0[0] ^ self.0[1] ^ self.0[2] ^ self.0[3]
    }

    #[inline]
    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.0;
        *v0 = v0.wrapping_add(*v1);
        *v2 = v2.wrapping_add(*v3);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v1);
        *v0 = v0.wrapping_add(*v3);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher as _};

    use super::*;

    #[test]
    fn hashes_as_the_standard_library_does_with_a_key_of_zeros() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..bytes.len() {
            let mut std_hasher = DefaultHasher::new();
            std_hasher.write(&bytes[..length]);
            assert_eq!(SipHasher { key: [0, 0] }.hash(&bytes[..length]), std_hasher.finish(), "{length} bytes");
        }
    }

    #[test]
    fn each_key_is_another() {
        let [first, second] = [SipHasher::random(), SipHasher::random()];
        assert!(first.key != second.key && first.key[0] != first.key[1]);
        assert_ne!(first.hash(b"x"), second.hash(b"x"));
    }
}
