//! The addresses that a name stands for now.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;

/// The last good answer to a name. Swapped whole, so that a connect reads one set from first to last.
#[derive(Debug)]
pub struct AddressSet {
    addresses: ArcSwap<Vec<SocketAddr>>,
    /// Which address is tried first next time.
    rotation: AtomicUsize,
}

impl AddressSet {
    /// The first answer.
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        Self { addresses: ArcSwap::from_pointee(sorted(addresses)), rotation: AtomicUsize::new(0) }
    }

    /// All of them, beginning with another one each time, so that a name with several spreads its load.
    pub fn rotated(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        let addresses = self.addresses.load();
        let count = addresses.len();
        // Most names have one address, and nothing that all cores write to is touched for those.
        let first = if count > 1 { self.rotation.fetch_add(1, Relaxed) } else { 0 };
        (0..count).map(move |offset| addresses[(first % count + offset) % count])
    }

    /// Takes a new answer. An empty one is no answer: the last good set stays. Gives whether anything changed.
    pub fn replace(&self, addresses: Vec<SocketAddr>) -> bool {
        let addresses = sorted(addresses);
        let changed = !addresses.is_empty() && **self.addresses.load() != addresses;
        if changed {
            self.addresses.store(Arc::new(addresses));
        }
        changed
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

    fn parse_all(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn rotates_and_keeps_last_good_set() {
        let addresses = AddressSet::new(parse_all(&["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"]));
        let firsts: Vec<_> = (0..4).map(|_| addresses.rotated().next().unwrap().to_string()).collect();
        assert_eq!(firsts, ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1", "127.0.0.1:1"]);
        assert!(!addresses.replace(Vec::new()));
        assert!(!addresses.replace(parse_all(&["127.0.0.3:1", "127.0.0.1:1", "127.0.0.2:1"])), "a rotated answer");
        assert_eq!(addresses.rotated().len(), 3);
        assert!(addresses.replace(parse_all(&["127.0.0.9:1"])));
        assert_eq!(addresses.rotated().collect::<Vec<_>>(), parse_all(&["127.0.0.9:1"]));
    }
}
