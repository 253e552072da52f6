//! A budget for retries: a share of the requests in flight.
//!
//! A retry is a second request. When one backend of ten is unhealthy, retries hide it; when all are, retries double the
//! load that made them so. A budget permits the first case and stops the second: retries may be at most a share of the
//! requests in flight (20 %), but always a few (3), so that a balancer with little traffic may retry at all.
//! Envoy's `retry_budget` has the same rule and the same defaults; linkerd and Finagle count over time instead.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// The concurrent retries that a group permits. Cost: nothing until a request fails.
#[derive(Debug)]
pub struct RetryBudget {
    active_retries: Arc<AtomicU32>,
    refused: AtomicU64,
    percent: u32,
    min_retries: u32,
}

/// The permit of one retry; dropping it returns it to the budget. It borrows nothing, so an event loop can keep it.
#[derive(Debug)]
pub struct RetryPermit(Arc<AtomicU32>);

impl Default for RetryBudget {
    /// 20 %, at least 3.
    fn default() -> Self {
        Self::new(20, 3)
    }
}

impl RetryBudget {
    /// At most `percent` of the requests in flight may be retries, but always `min_retries`.
    pub fn new(percent: u32, min_retries: u32) -> Self {
        Self { active_retries: Arc::default(), refused: AtomicU64::new(0), percent, min_retries }
    }

    // ANCHOR: take
    /// Takes a permit, given `in_flight` requests in the group now, this one included; `None` when the budget is
    /// exhausted.
    pub fn try_acquire(&self, in_flight: u32) -> Option<RetryPermit> {
        let share = u64::from(in_flight) * u64::from(self.percent) / 100;
        let limit = u32::try_from(share).unwrap_or(u32::MAX).max(self.min_retries);
        let one_more = |active| (active < limit).then_some(active + 1);
        let Ok(_) = self.active_retries.fetch_update(Relaxed, Relaxed, one_more) else {
            self.refused.fetch_add(1, Relaxed);
            return None;
        };
        Some(RetryPermit(Arc::clone(&self.active_retries)))
    }
    // ANCHOR_END: take

    /// How often the budget was exhausted when a permit was asked for. A retry asks several times before it gives up.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

impl Drop for RetryPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_a_share_of_requests_in_flight_and_always_a_few() {
        for (in_flight, limit) in [(1, 3), (15, 3), (20, 4), (100, 20), (1_000, 200)] {
            let budget = RetryBudget::default();
            let permits: Vec<_> = std::iter::from_fn(|| budget.try_acquire(in_flight)).collect();
            assert_eq!(permits.len(), limit, "{in_flight} in flight");
            assert_eq!(budget.refused(), 1);
            drop(permits);
            assert!(budget.try_acquire(in_flight).is_some(), "a returned permit is available again");
        }
        assert!(RetryBudget::new(0, 0).try_acquire(1_000).is_none());
    }
}
