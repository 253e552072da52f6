//! The addresses of one backend: the order in which a connect tries them, and which of them have failed.
//!
//! The resolver puts the addresses first that this host should prefer (RFC 6724), and its order is kept. *Of equal
//! precedence* are addresses of one family that are adjacent in that order: they are rotated, so that they share the
//! connections evenly. A connect alternates between the families (RFC 8305 §4), and tries an address that has failed
//! last, for [`FAILED_ADDRESS_TIME`] or until it works again.
//!
//! A list never changes, apart from its counters and marks: a name that resolves to other addresses gets a new list.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use smallvec::{SmallVec, smallvec};

/// How long an address that has failed is tried after all others.
pub(super) const FAILED_ADDRESS_TIME: Duration = Duration::from_secs(30);

/// Addresses, on the stack for as many as most names have.
pub type Addresses = SmallVec<[SocketAddr; 4]>;

/// Indices of addresses in a list.
pub(super) type AddressOrder = SmallVec<[usize; 4]>;

/// The addresses of one backend.
#[derive(Debug)]
pub struct AddressList {
    addresses: Vec<Address>,
    /// Counts the connects, for the rotation among addresses of equal precedence.
    connects: AtomicUsize,
    /// Counts the lookups. They have a rotation of their own: if both shared one, a request that looks for an idle
    /// connection and then connects would advance it by two, and one of two addresses would get all connects.
    lookups: AtomicUsize,
    epoch: Instant,
}

#[derive(Debug)]
struct Address {
    address: SocketAddr,
    /// Milliseconds after `epoch` until which it is tried last; 0 if it has not failed.
    failed_until: AtomicU64,
}

impl AddressList {
    /// A list of `addresses`, in the resolver's order. `epoch` must not be later than any instant passed to a connect.
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>, epoch: Instant) -> Self {
        let address = |address| Address { address, failed_until: AtomicU64::new(0) };
        Self {
            addresses: addresses.into_iter().map(address).collect(),
            connects: AtomicUsize::new(0),
            lookups: AtomicUsize::new(0),
            epoch,
        }
    }

    /// The list after a name was resolved to `addresses`; `None` if it is the same. DNS servers rotate their answers, so
    /// another order among addresses of equal precedence is no change. An address that stays keeps its mark.
    pub fn updated(&self, addresses: &[SocketAddr]) -> Option<Self> {
        if sorted_within_precedence(addresses) == sorted_within_precedence(&self.all()) {
            return None;
        }
        let updated = Self::new(addresses.iter().copied(), self.epoch);
        for new in &updated.addresses {
            if let Some(old) = self.addresses.iter().find(|old| old.address == new.address) {
                new.failed_until.store(old.failed_until.load(Relaxed), Relaxed);
            }
        }
        Some(updated)
    }

    /// All addresses, in the resolver's order.
    pub fn all(&self) -> Addresses {
        self.addresses.iter().map(|address| address.address).collect()
    }

    /// All addresses, in the order in which to look for an idle connection, or to check them: each call starts with the
    /// next one of equal precedence.
    pub fn lookup_order(&self) -> Addresses {
        // Most names have one address: those skip the counter, a cache line that all cores would write to.
        if let [only] = &*self.addresses {
            return smallvec![only.address];
        }
        let order = self.rotated(self.lookups.fetch_add(1, Relaxed), |_| true);
        order.into_iter().map(|index| self.address(index)).collect()
    }

    /// The indices of all addresses, in the order in which a connect that starts `now` tries them. Each call starts with
    /// the next address of equal precedence, so call it once per connect.
    pub(super) fn connect_order(&self, now: Instant) -> AddressOrder {
        if self.addresses.len() == 1 {
            return smallvec![0];
        }
        let rotation = self.connects.fetch_add(1, Relaxed);
        let retried = self.claim_retry(now);
        let failed: SmallVec<[bool; 4]> =
            self.addresses.iter().map(|address| address.failed_until.load(Relaxed) != 0).collect();
        let is_other = |index: usize| Some(index) != retried;
        let mut order = AddressOrder::from_iter(retried);
        order.extend(self.interleaved(&self.rotated(rotation, |index| is_other(index) && !failed[index])));
        order.extend(self.interleaved(&self.rotated(rotation, |index| is_other(index) && failed[index])));
        order
    }

    /// A connect could not start, because no descriptor was left: it does not count in the rotation.
    pub(super) fn undo_rotation(&self) {
        self.connects.fetch_sub(1, Relaxed);
    }

    pub(super) fn address(&self, index: usize) -> SocketAddr {
        self.addresses[index].address
    }

    pub(super) fn len(&self) -> usize {
        self.addresses.len()
    }

    pub(super) fn record_success(&self, index: usize) {
        // Load first: the common path writes nothing, so the cache line stays shared between cores.
        let failed_until = &self.addresses[index].failed_until;
        if failed_until.load(Relaxed) != 0 {
            failed_until.store(0, Relaxed);
        }
    }

    pub(super) fn record_failure(&self, index: usize, now: Instant) {
        self.addresses[index].failed_until.store(self.millis(now + FAILED_ADDRESS_TIME), Relaxed);
    }

    /// An address that has failed, and whose time is over: one connect tries it first, and so learns whether it works
    /// again. For the others it stays last until then, so that they do not all wait for an address that is still dead.
    fn claim_retry(&self, now: Instant) -> Option<usize> {
        let (now_ms, retry_at) = (self.millis(now), self.millis(now + FAILED_ADDRESS_TIME));
        self.addresses.iter().position(|Address { failed_until, .. }| {
            let until = failed_until.load(Relaxed);
            let is_due = until != 0 && until <= now_ms;
            is_due && failed_until.compare_exchange(until, retry_at, Relaxed, Relaxed).is_ok()
        })
    }

    /// The included addresses, with those of equal precedence rotated.
    fn rotated(&self, rotation: usize, included: impl Fn(usize) -> bool) -> AddressOrder {
        let mut order = AddressOrder::new();
        let mut start = 0;
        for equal in self.addresses.chunk_by(|a, b| is_same_family(a.address, b.address)) {
            let first = order.len();
            order.extend((start..start + equal.len()).filter(|index| included(*index)));
            let included = &mut order[first..];
            included.rotate_left(rotation % included.len().max(1));
            start += equal.len();
        }
        order
    }

    /// The same addresses, alternating between the families; the first one stays first (RFC 8305 §4).
    fn interleaved(&self, order: &[usize]) -> AddressOrder {
        let is_first_family = |index: &usize| is_same_family(self.address(*index), self.address(order[0]));
        let (first, second): (AddressOrder, AddressOrder) = order.iter().copied().partition(is_first_family);
        let (mut first, mut second) = (first.into_iter(), second.into_iter());
        let mut interleaved = AddressOrder::new();
        while interleaved.len() < order.len() {
            interleaved.extend(first.next());
            interleaved.extend(second.next());
        }
        interleaved
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

fn is_same_family(a: SocketAddr, b: SocketAddr) -> bool {
    a.is_ipv4() == b.is_ipv4()
}

fn sorted_within_precedence(addresses: &[SocketAddr]) -> Addresses {
    let mut sorted = Addresses::from_slice(addresses);
    sorted.chunk_by_mut(|a, b| is_same_family(*a, *b)).for_each(<[_]>::sort_unstable);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;

    fn list(addresses: &[&str]) -> AddressList {
        AddressList::new(parse_all(addresses), now())
    }

    /// `4.1` is 127.0.0.1, and `6.1` is `::1`.
    fn parse_all(addresses: &[&str]) -> Vec<SocketAddr> {
        let ip = |address: &&str| match address.split_at(2) {
            ("4.", host) => format!("127.0.0.{host}:80"),
            (_, host) => format!("[::{host}]:80"),
        };
        addresses.iter().map(|address| ip(address).parse().unwrap()).collect()
    }

    fn short(address: SocketAddr) -> String {
        let text = address.ip().to_string();
        text.strip_prefix("127.0.0.").map_or_else(|| text.replace("::", "6."), |host| format!("4.{host}"))
    }

    /// The next connect's order.
    fn order(list: &AddressList, now: Instant) -> String {
        let order = list.connect_order(now).into_iter().map(|index| short(list.address(index)));
        order.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn keeps_the_resolvers_order_between_families_and_alternates_them() {
        for (addresses, expected) in [
            (&["4.1"][..], "4.1"),
            (&["6.1", "4.1"], "6.1 4.1"),
            (&["4.9", "6.1"], "4.9 6.1"),
            (&["6.1", "6.2", "6.3", "4.1", "4.2"], "6.1 4.1 6.2 4.2 6.3"),
            (&["4.3", "6.1", "4.1"], "4.3 6.1 4.1"),
            (&[], ""),
        ] {
            let list = list(addresses);
            assert_eq!(order(&list, list.epoch), expected);
        }
    }

    #[test]
    fn addresses_of_equal_precedence_take_turns() {
        let list_of_five = list(&["6.1", "6.2", "4.1", "4.2", "4.3"]);
        let orders: Vec<_> = (0..3).map(|_| order(&list_of_five, list_of_five.epoch)).collect();
        assert_eq!(orders, ["6.1 4.1 6.2 4.2 4.3", "6.2 4.2 6.1 4.3 4.1", "6.1 4.3 6.2 4.1 4.2"]);
        let apart = list(&["4.1", "6.1", "4.2"]);
        assert!((0..4).all(|_| order(&apart, apart.epoch) == "4.1 6.1 4.2"), "not adjacent");
    }

    #[test]
    fn a_failed_address_is_tried_last_and_the_others_still_share_evenly() {
        let list = list(&["4.1", "4.2", "4.3"]);
        list.record_failure(1, list.epoch);
        let orders: Vec<_> = (0..4).map(|_| order(&list, list.epoch)).collect();
        assert_eq!(orders, ["4.1 4.3 4.2", "4.3 4.1 4.2", "4.1 4.3 4.2", "4.3 4.1 4.2"]);
        list.record_success(1);
        assert_eq!(order(&list, list.epoch), "4.2 4.3 4.1", "it works again");
    }

    #[test]
    fn one_connect_at_a_time_tries_a_failed_address_again() {
        let list = list(&["6.1", "4.1"]);
        let at = |seconds| list.epoch + Duration::from_secs(seconds);
        list.record_failure(0, at(0));
        assert_eq!(order(&list, at(29)), "4.1 6.1");
        assert_eq!(order(&list, at(30)), "6.1 4.1");
        assert_eq!(order(&list, at(30)), "4.1 6.1", "the others do not wait for it");
        assert_eq!(order(&list, at(60)), "6.1 4.1");
        list.record_success(0);
        assert_eq!([order(&list, at(60)), order(&list, at(60))], ["6.1 4.1"; 2]);
    }

    #[test]
    fn a_failed_address_that_would_not_be_first_is_tried_again_too() {
        let at = |list: &AddressList, seconds| list.epoch + Duration::from_secs(seconds);
        let rotating = list(&["4.1", "4.2", "4.3"]);
        rotating.record_failure(1, rotating.epoch);
        assert_eq!(order(&rotating, at(&rotating, 30)), "4.2 4.1 4.3");
        assert_eq!(order(&rotating, at(&rotating, 30)), "4.3 4.1 4.2", "once");
        let second_family = list(&["6.1", "4.1"]);
        second_family.record_failure(1, second_family.epoch);
        assert_eq!(order(&second_family, at(&second_family, 30)), "4.1 6.1");
        second_family.record_success(1);
        assert_eq!(order(&second_family, at(&second_family, 30)), "6.1 4.1");
    }

    #[test]
    fn looking_does_not_rotate_the_connects() {
        let list = list(&["4.1", "4.2"]);
        let firsts = (0..4).map(|_| {
            let _ = (list.lookup_order(), list.all());
            list.connect_order(list.epoch)[0]
        });
        assert_eq!(firsts.collect::<Vec<_>>(), [0, 1, 0, 1]);
        let looked = (0..4).map(|_| short(list.lookup_order()[0]));
        assert_eq!(looked.collect::<Vec<_>>(), ["4.1", "4.2", "4.1", "4.2"]);
    }

    #[test]
    fn a_connect_that_could_not_start_does_not_rotate() {
        let list = list(&["4.1", "4.2"]);
        for _ in 0..3 {
            assert_eq!(order(&list, list.epoch), "4.1 4.2");
            list.undo_rotation();
        }
    }

    #[test]
    fn another_order_of_equal_precedence_is_no_change() {
        let list = list(&["6.1", "4.1", "4.2"]);
        list.record_failure(2, list.epoch);
        assert!(list.updated(&parse_all(&["6.1", "4.2", "4.1"])).is_none());
        let preferred = list.updated(&parse_all(&["4.1", "4.2", "6.1"])).unwrap();
        assert_eq!(order(&preferred, list.epoch), "4.1 6.1 4.2", "4.2 is still marked");
        assert!(list.updated(&parse_all(&["6.1", "4.1"])).is_some());
    }
}
