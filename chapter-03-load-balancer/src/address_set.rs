//! The addresses that a backend's name currently resolves to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use arc_swap::ArcSwap;
use common::net::{AddressList, Addresses, ConnectPlan};

/// The addresses of the last successful resolution. They are replaced as a whole, so a connect sees one consistent list.
#[derive(Debug)]
pub struct AddressSet {
    list: ArcSwap<AddressList>,
    /// A connect has failed since the last lookup of the name.
    refresh_requested: AtomicBool,
}

impl AddressSet {
    /// A set with the addresses of the first resolution, in the resolver's order. `epoch` must not be later than any
    /// instant passed to the other methods.
    pub fn new(addresses: Vec<SocketAddr>, epoch: Instant) -> Self {
        Self {
            list: ArcSwap::from_pointee(AddressList::new(addresses, epoch)),
            refresh_requested: AtomicBool::new(false),
        }
    }

    /// A connect to one of the addresses that starts `now` and fails at `deadline`. Each call rotates the addresses, so
    /// call it once per connect.
    pub fn connect_plan<S>(&self, now: Instant, deadline: Instant) -> ConnectPlan<S> {
        ConnectPlan::new(&self.list.load(), now, deadline)
    }

    /// All addresses, in the order in which to look for an idle connection, or to check them. Each call starts with the
    /// next one, without an effect on connects.
    pub fn lookup_order(&self) -> Addresses {
        self.list.load().lookup_order()
    }

    /// All addresses, in the resolver's order.
    pub fn all(&self) -> Addresses {
        self.list.load().all()
    }

    /// Replaces the addresses, and returns whether they changed. An empty result is ignored: the last good list stays.
    pub fn replace(&self, addresses: &[SocketAddr]) -> bool {
        let updated = if addresses.is_empty() { None } else { self.list.load().updated(addresses) };
        let Some(updated) = updated else { return false };
        self.list.store(Arc::new(updated));
        true
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
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    fn parse_all(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn keeps_the_last_good_addresses_in_the_resolvers_order() {
        let first = parse_all(&["[::1]:1", "127.0.0.2:1", "127.0.0.1:1"]);
        let addresses = AddressSet::new(first.clone(), now());
        assert_eq!(*addresses.all(), first);
        assert!(!addresses.replace(&[]));
        let rotated = parse_all(&["[::1]:1", "127.0.0.1:1", "127.0.0.2:1"]);
        assert!(!addresses.replace(&rotated), "DNS servers rotate addresses of equal precedence");
        assert_eq!(*addresses.all(), first);
        let reordered = parse_all(&["127.0.0.2:1", "127.0.0.1:1", "[::1]:1"]);
        assert!(addresses.replace(&reordered));
        assert_eq!(*addresses.all(), reordered);
    }

    #[test]
    fn a_refresh_is_requested_once() {
        let addresses = AddressSet::new(Vec::new(), now());
        assert_eq!([addresses.request_refresh(), addresses.request_refresh()], [true, false]);
        addresses.clear_refresh_request();
        assert!(!addresses.is_refresh_requested() && addresses.request_refresh());
    }
}
