//! The addresses that a backend's name currently resolves to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;

/// The addresses of the last successful resolution. They are replaced as a whole, so a connect sees one consistent set.
#[derive(Debug)]
pub struct AddressSet {
    addresses: ArcSwap<Vec<SocketAddr>>,
    /// Counts the connects, to rotate which address is tried first.
    rotation: AtomicUsize,
}

impl AddressSet {
    /// A set with the addresses of the first resolution.
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        Self { addresses: ArcSwap::from_pointee(sorted(addresses)), rotation: AtomicUsize::new(0) }
    }

    /// All addresses, starting with the next one on each call, so that a name with several addresses spreads its load.
    pub fn rotated(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        let addresses = self.addresses.load();
        let count = addresses.len();
        // Most names have one address: those skip the counter, a cache line that all cores would write to.
        let first = if count > 1 { self.rotation.fetch_add(1, Relaxed) } else { 0 };
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
        let firsts: Vec<_> = (0..4).map(|_| addresses.rotated().next().unwrap().to_string()).collect();
        assert_eq!(firsts, ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1", "127.0.0.1:1"]);
        assert!(!addresses.replace(Vec::new()));
        assert!(
            !addresses.replace(parse_all(&["127.0.0.3:1", "127.0.0.1:1", "127.0.0.2:1"])),
            "the same addresses, rotated"
        );
        assert_eq!(addresses.rotated().len(), 3);
        assert!(addresses.replace(parse_all(&["127.0.0.9:1"])));
        assert_eq!(addresses.rotated().collect::<Vec<_>>(), parse_all(&["127.0.0.9:1"]));
    }
}
