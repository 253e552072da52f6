//! What tells this process and its requests from all others.
//!
//! A balancer names itself in `Via` so that it knows a request that comes round again, and names each
//! request so that logs on both sides can be joined. Neither needs a clock or a lock: a request's name is
//! the process's random number, the connection's number and the request's place on it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// The random number of this process.
#[derive(Debug, Clone, Copy)]
pub struct InstanceId {
    seed: u64,
}

impl Default for InstanceId {
    fn default() -> Self {
        Self::new()
    }
}

impl InstanceId {
    /// A new number, from the same source of randomness as the keys of std's hash maps.
    pub fn new() -> Self {
        Self { seed: RandomState::new().build_hasher().finish() }
    }

    /// The name for `Via`: what this program is, and 8 hex digits (RFC 9110 §7.6.3 allows any token).
    pub fn via_pseudonym(&self, program: &str) -> String {
        format!("{program}-{:08x}", self.seed >> 32)
    }

    /// The name of the `request`th request on the `connection`th connection.
    pub fn request_id(&self, connection: u32, request: u32) -> u128 {
        u128::from(self.seed) << 64 | u128::from(connection) << 32 | u128::from(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_differ_and_requests_within_one_too() {
        let (a, b) = (InstanceId::new(), InstanceId::new());
        assert_ne!(a.via_pseudonym("lb"), b.via_pseudonym("lb"));
        assert_ne!(a.request_id(1, 1), a.request_id(1, 2));
        assert_ne!(a.request_id(1, 0), a.request_id(0, 1));
    }
}
