//! A configured backend: its name, its addresses, whether it is marked down, and its counters.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use common::{endpoint::Endpoint, http::BackendId};
use simple_proxy::stats::BackendStats;

use crate::{address_set::AddressSet, dns_refresher::DnsTarget};

/// A backend as configured, not an address: a name may resolve to several addresses, and they change.
#[derive(Debug)]
pub struct Backend {
    id: BackendId,
    endpoint: Endpoint,
    address_set: AddressSet,
    /// Milliseconds after `epoch` until which the backend is marked down; 0 if it is not.
    down_until: AtomicU64,
    epoch: Instant,
    /// The backend's counters.
    pub stats: BackendStats,
}

impl Backend {
    /// A backend that is up. `epoch` must not be later than any instant passed to the other methods.
    pub fn new(id: BackendId, endpoint: Endpoint, addresses: Vec<SocketAddr>, epoch: Instant) -> Self {
        Self {
            id,
            endpoint,
            address_set: AddressSet::new(addresses, epoch),
            down_until: AtomicU64::new(0),
            epoch,
            stats: BackendStats::default(),
        }
    }

    /// The backend's ID.
    pub fn id(&self) -> BackendId {
        self.id
    }

    // ANCHOR: marks
    /// Marks the backend down until `now + down_time`, after a failed connect. Returns whether it was up.
    pub fn mark_down(&self, now: Instant, down_time: Duration) -> bool {
        let down_until = self.millis_since_epoch(now + down_time).max(1);
        let previous = self.down_until.swap(down_until, Relaxed);
        previous <= self.millis_since_epoch(now)
    }

    /// Marks the backend up, after a successful connect. Returns whether it was marked down.
    pub fn mark_up(&self) -> bool {
        // Load first: the common path writes nothing, so the cache line stays shared between cores.
        self.down_until.load(Relaxed) != 0 && self.down_until.swap(0, Relaxed) != 0
    }

    /// Whether the backend is marked down. When the down time is over, it is tried again.
    pub fn is_down(&self, now: Instant) -> bool {
        self.down_until.load(Relaxed) > self.millis_since_epoch(now)
    }
    // ANCHOR_END: marks

    fn millis_since_epoch(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

impl DnsTarget for Backend {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn address_set(&self) -> &AddressSet {
        &self.address_set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_down_for_down_time_only() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let epoch = Instant::now();
        let id = BackendId { slot: 0, generation: 0 };
        let backend = Backend::new(id, "a:1".parse().unwrap(), Vec::new(), epoch);
        let at = |seconds| epoch + Duration::from_secs(seconds);
        assert!(!backend.is_down(at(0)));
        assert!(backend.mark_down(at(1), Duration::from_secs(10)), "was up");
        assert!(!backend.mark_down(at(2), Duration::from_secs(10)), "was down already");
        assert!(backend.is_down(at(11)));
        assert!(!backend.is_down(at(12)), "it is tried again");
        assert!(backend.mark_up() && !backend.mark_up());
        assert!(!backend.is_down(at(1)));
    }
}
