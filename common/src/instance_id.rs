//! Ids that distinguish this process and its requests from all others.
//!
//! A balancer puts its own id into `Via`, so that it detects a forwarding loop, and an id into each request, so that
//! logs on both sides can be joined. Neither needs a clock or a lock: a request id consists of the random number of the
//! process, the number of the connection and the number of the request on it.

use crate::random::random_u64;

/// The random id of this process.
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
    /// A new id.
    pub fn new() -> Self {
        Self { seed: random_u64() }
    }

    /// The pseudonym for `Via`: the program's name and 8 hex digits (RFC 9110 §7.6.3 allows any token).
    pub fn via_pseudonym(&self, program: &str) -> String {
        format!("{program}-{:08x}", self.seed >> 32)
    }

    /// The id of the `request`th request on connection number `connection`.
    pub fn request_id(&self, connection: u32, request: u32) -> u128 {
        u128::from(self.seed) << 64 | u128::from(connection) << 32 | u128::from(request)
    }
}

/// The text of a request id: 32 hexadecimal digits, two by two.
pub fn request_id_digits(id: u128) -> [[u8; 2]; 16] {
    id.to_be_bytes().map(|byte| [byte >> 4, byte & 0xf].map(|digit| b"0123456789abcdef"[usize::from(digit)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_between_processes_and_between_requests() {
        let (a, b) = (InstanceId::new(), InstanceId::new());
        assert_ne!(a.via_pseudonym("lb"), b.via_pseudonym("lb"));
        assert_ne!(a.request_id(1, 1), a.request_id(1, 2));
        assert_ne!(a.request_id(1, 0), a.request_id(0, 1));
    }
}
