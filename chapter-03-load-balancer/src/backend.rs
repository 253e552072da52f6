//! One configured backend: its name, its addresses, whether it is left out, and what it did.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use common::{endpoint::Endpoint, http::BackendId};
use simple_proxy::stats::BackendTotals;

use crate::{address_set::Addresses, dns_refresher::Named};

/// A backend is what was configured, not an address: a name may stand for many, and they change.
#[derive(Debug)]
pub struct Backend {
    id: BackendId,
    endpoint: Endpoint,
    addresses: Addresses,
    /// Milliseconds after `epoch` until which it is left out; 0 for never.
    down_until: AtomicU64,
    epoch: Instant,
    /// What it did.
    pub totals: BackendTotals,
}

impl Backend {
    /// A backend that is up. `epoch` is any instant before the first that it will be asked about.
    pub fn new(id: BackendId, endpoint: Endpoint, addresses: Vec<SocketAddr>, epoch: Instant) -> Self {
        Self {
            id,
            endpoint,
            addresses: Addresses::new(addresses),
            down_until: AtomicU64::new(0),
            epoch,
            totals: BackendTotals::default(),
        }
    }

    /// Which one it is.
    pub fn id(&self) -> BackendId {
        self.id
    }

    /// Its addresses, in the order in which to try them now.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        self.addresses.rotated()
    }

    // ANCHOR: marks
    /// Leaves it out until `now + time`: it would not be connected to. Gives whether that is news.
    pub fn mark_down(&self, now: Instant, time: Duration) -> bool {
        let until = self.millis(now + time).max(1);
        let before = self.down_until.swap(until, Relaxed);
        before <= self.millis(now)
    }

    /// It was connected to. Gives whether that is news.
    pub fn mark_up(&self) -> bool {
        // A load first: on the steady path nothing is written, so the line stays shared between cores.
        self.down_until.load(Relaxed) != 0 && self.down_until.swap(0, Relaxed) != 0
    }

    /// Whether it is left out. Once the time is over it is given another try.
    pub fn is_down(&self, now: Instant) -> bool {
        self.down_until.load(Relaxed) > self.millis(now)
    }
    // ANCHOR_END: marks

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Named for Backend {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn addresses(&self) -> &Addresses {
        &self.addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_left_out_for_its_time_and_no_longer() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let epoch = Instant::now();
        let id = BackendId { slot: 0, generation: 0 };
        let backend = Backend::new(id, "a:1".parse().unwrap(), Vec::new(), epoch);
        let at = |seconds| epoch + Duration::from_secs(seconds);
        assert!(!backend.is_down(at(0)));
        assert!(backend.mark_down(at(1), Duration::from_secs(10)), "news");
        assert!(!backend.mark_down(at(2), Duration::from_secs(10)), "no news");
        assert!(backend.is_down(at(11)));
        assert!(!backend.is_down(at(12)), "it is tried again");
        assert!(backend.mark_up() && !backend.mark_up());
        assert!(!backend.is_down(at(1)));
    }
}
