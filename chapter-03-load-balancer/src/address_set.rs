//! The addresses that a backend's name currently resolves to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;

/// The addresses of the last successful resolution. They are replaced as a whole, so a connect sees one consistent set.
#[derive(Debug)]
pub struct AddressSet {
    addresses: ArcSwap<Vec<SocketAddr>>,
    /// Counts the connects, to rotate which address is tried first.
    connects: AtomicUsize,
    /// Counts the uses without a connect. They have a rotation of their own: if both shared one, a request that looks
    /// for an idle connection and then connects would advance it by two, and one of two addresses would get all
    /// connects.
    lookups: AtomicUsize,
    /// A connect has failed since the last lookup of the name.
    refresh_requested: AtomicBool,
}

impl AddressSet {
    /// A set with the addresses of the first resolution.
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses: ArcSwap::from_pointee(sorted(addresses)),
            connects: AtomicUsize::new(0),
            lookups: AtomicUsize::new(0),
            refresh_requested: AtomicBool::new(false),
        }
    }

    /// All addresses, in the order in which a new connect tries them: each call starts with the next one, so that a name
    /// with several addresses spreads its connections. Call it once per connect, and for nothing else.
    pub fn connect_order(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        self.rotated(&self.connects)
    }

    /// All addresses, in the order in which to look for an idle connection, or to check them: each call starts with the
    /// next one.
    pub fn lookup_order(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        self.rotated(&self.lookups)
    }

    /// All addresses.
    pub fn all(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        let addresses = self.addresses.load();
        (0..addresses.len()).map(move |index| addresses[index])
    }

    /// Requests a lookup of the name, after a failed connect. Returns whether none was requested yet.
    pub(crate) fn request_refresh(&self) -> bool {
        // Load first: while a backend is down, all of its failed connects come here.
        !self.refresh_requested.load(Relaxed) && !self.refresh_requested.swap(true, Relaxed)
    }

    pub(crate) fn is_refresh_requested(&self) -> bool {
        self.refresh_requested.load(Relaxed)
    }

    pub(crate) fn clear_refresh_request(&self) {
        self.refresh_requested.store(false, Relaxed);
    }

    fn rotated(&self, rotation: &AtomicUsize) -> impl ExactSizeIterator<Item = SocketAddr> + use<> {
        let addresses = self.addresses.load();
        let count = addresses.len();
        // Most names have one address: those skip the counter, a cache line that all cores would write to.
        let first = if count > 1 { rotation.fetch_add(1, Relaxed) } else { 0 };
        (0..count).map(move |offset| addresses[(first % count + offset) % count])
    }

    /// Replaces the addresses, and returns whether they changed. An empty result is ignored: the last good set stays.
    pub fn replace(&self, addresses: Vec<SocketAddr>) -> bool {
        let addresses = sorted(addresses);
        let changed = !addresses.is_empty() && **self.addresses.load() != addresses;
        if changed {
            self.addresses.store(Arc::new(addresses));
        }
        changed
    }
}

/// Sorted, because DNS servers rotate the order: the same addresses in another order are no change.
fn sorted(mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    addresses.sort_unstable();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn rotates_and_keeps_last_good_set() {
        let addresses = AddressSet::new(parse_all(&["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"]));
        let firsts: Vec<_> = (0..4).map(|_| addresses.connect_order().next().unwrap().to_string()).collect();
        assert_eq!(firsts, ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1", "127.0.0.1:1"]);
        assert!(!addresses.replace(Vec::new()));
        assert!(
            !addresses.replace(parse_all(&["127.0.0.3:1", "127.0.0.1:1", "127.0.0.2:1"])),
            "the same addresses, rotated"
        );
        assert_eq!(addresses.connect_order().len(), 3);
        assert!(addresses.replace(parse_all(&["127.0.0.9:1"])));
        assert_eq!(addresses.connect_order().collect::<Vec<_>>(), parse_all(&["127.0.0.9:1"]));
    }

    #[test]
    fn looking_at_addresses_does_not_rotate_the_next_connect() {
        let addresses = AddressSet::new(parse_all(&["127.0.0.1:1", "127.0.0.2:1"]));
        let mut firsts = [0, 0];
        for _ in 0..10 {
            let _ = (addresses.lookup_order(), addresses.all());
            let first = addresses.connect_order().next().unwrap();
            firsts[usize::from(first == addresses.all().next().unwrap())] += 1;
        }
        assert_eq!(firsts, [5, 5]);
    }
}
