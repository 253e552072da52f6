//! Random numbers, for jitter and for ids that need not be secret.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A random number. The key of the standard library's hasher is random enough where nobody gains by guessing it.
pub fn random_u64() -> u64 {
    RandomState::new().build_hasher().finish()
}
