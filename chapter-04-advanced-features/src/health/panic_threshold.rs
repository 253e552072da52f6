//! The panic threshold: when health status is ignored.
//!
//! Health checks also fail for reasons of their own: a wrong path, a firewall, a check that is slow because the network
//! is. Then they mark down one backend after another, the rest are overloaded by all the traffic, and the checks have
//! caused the outage they should prevent. So with fewer than half healthy, all backends are used: a backend that is
//! really down costs a retry, which is better than rejecting everything. Envoy calls it the panic threshold (50 %).
//! Entering and leaving panic mode are each logged once.

/// Whether fewer than half of `all` backends are `usable`, so that all are used.
pub fn is_panic_mode(usable: usize, all: usize) -> bool {
    usable < all.div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_below_half() {
        for (all, least_without_panic) in [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (10, 5)] {
            for usable in 0..=all {
                assert_eq!(is_panic_mode(usable, all), usable < least_without_panic, "{usable} of {all}");
            }
        }
    }
}
