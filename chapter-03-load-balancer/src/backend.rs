//! One configured backend: its name, its addresses, whether it is left out, and what it did.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use common::{addr::Endpoint, http::BackendId};
use simple_proxy::totals::BackendTotals;

/// A backend is what was configured, not an address: a name may stand for many, and they change.
#[derive(Debug)]
pub struct Backend {
    id: BackendId,
    endpoint: Endpoint,
    /// The last good answer to the name. Swapped whole, so that a connect reads one set from first to last.
    addresses: ArcSwap<Vec<SocketAddr>>,
    /// Which address is tried first next time.
    rotation: AtomicUsize,
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
            addresses: ArcSwap::from_pointee(sorted(addresses)),
            rotation: AtomicUsize::new(0),
            down_until: AtomicU64::new(0),
            epoch,
            totals: BackendTotals::default(),
        }
    }

    /// Which one it is.
    pub fn id(&self) -> BackendId {
        self.id
    }

    /// As it was configured.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its addresses, beginning with another one each time, so that a name with several spreads its load.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        let addresses = self.addresses.load_full();
        let (first, count) = (self.rotation.fetch_add(1, Relaxed), addresses.len());
        (0..count).map(move |offset| addresses[(first % count + offset) % count])
    }

    /// Takes a new answer to the name. An empty one is no answer: the last good set stays.
    pub fn resolved(&self, addresses: Vec<SocketAddr>) {
        let addresses = sorted(addresses);
        if !addresses.is_empty() && **self.addresses.load() != addresses {
            tracing::info!("{} is now {addresses:?}", self.endpoint);
            self.addresses.store(Arc::new(addresses));
        }
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

/// A rotated answer is the same answer.
fn sorted(mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    addresses.sort_unstable();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(addresses: &[&str]) -> (Backend, Instant) {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let epoch = Instant::now();
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let id = BackendId { slot: 0, generation: 0 };
        (Backend::new(id, "a:1".parse().unwrap(), addresses, epoch), epoch)
    }

    #[test]
    fn is_left_out_for_its_time_and_no_longer() {
        let (backend, epoch) = backend(&["127.0.0.1:1"]);
        let at = |seconds| epoch + Duration::from_secs(seconds);
        assert!(!backend.is_down(at(0)));
        assert!(backend.mark_down(at(1), Duration::from_secs(10)), "news");
        assert!(!backend.mark_down(at(2), Duration::from_secs(10)), "no news");
        assert!(backend.is_down(at(11)));
        assert!(!backend.is_down(at(12)), "it is tried again");
        assert!(backend.mark_up() && !backend.mark_up());
        assert!(!backend.is_down(at(1)));
    }

    #[test]
    fn addresses_rotate_and_the_last_good_set_stays() {
        let (backend, _) = backend(&["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"]);
        let firsts: Vec<u8> = (0..4)
            .map(|_| match backend.addresses().next().unwrap() {
                SocketAddr::V4(address) => address.ip().octets()[3],
                SocketAddr::V6(_) => 0,
            })
            .collect();
        assert_eq!(firsts, [1, 2, 3, 1]);
        backend.resolved(Vec::new());
        assert_eq!(backend.addresses().len(), 3);
        backend.resolved(vec!["127.0.0.9:1".parse().unwrap()]);
        assert_eq!(backend.addresses().collect::<Vec<_>>(), ["127.0.0.9:1".parse().unwrap()]);
    }
}
