//! When the marks are no longer believed.
//!
//! Health checks fail for reasons of their own: a wrong path, a firewall, a check that is slow because all is slow.
//! Then they take out one backend after another, the rest drown in the traffic of all, and the checks have caused the
//! outage they were to prevent. So below half, everybody is used: a backend that is really down costs a retry, which
//! is less than to send nothing anywhere. Envoy calls it the panic threshold (50 %). To be said loudly: once on
//! entering and once on leaving.

/// Whether so few of `all` backends are `usable` (fewer than half) that all are to be used.
pub fn is_panic_mode(usable: usize, all: usize) -> bool {
    usable < all.div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_half_of_them_all_are_used() {
        for (all, least_without_panic) in [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (10, 5)] {
            for usable in 0..=all {
                assert_eq!(is_panic_mode(usable, all), usable < least_without_panic, "{usable} of {all}");
            }
        }
    }
}
