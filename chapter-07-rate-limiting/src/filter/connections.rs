//! A limit on the open connections of each address.
//!
//! WHEN TO USE IT: a connection costs a descriptor and memory before its first request, so a limit on requests is too
//! late for a client that opens thousands and says nothing. By the address of the *socket*: what a trusted proxy reports
//! comes with a request. nginx's `limit_conn`, HAProxy's `src_conn_cur`.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    rule::KeyHasher,
    table::{KeyTable, Slot},
};

/// The open connections of each address.
#[derive(Debug)]
pub struct ConnectionLimit {
    limit: u32,
    hasher: KeyHasher,
    open: KeyTable<AtomicU32>,
    refused: AtomicU64,
    overflows: AtomicU64,
}

/// Addresses with open connections at a time. No process here has so many descriptors.
const MAX_ADDRESSES: usize = 65_536;

/// A connection that counts as open until this is dropped.
#[derive(Debug)]
pub struct OpenConnection {
    limit: Arc<ConnectionLimit>,
    /// `None` if the table was full.
    slot: Option<Slot>,
}

impl ConnectionLimit {
    /// At most `limit` connections of each address at a time.
    pub(super) fn new(limit: u32) -> Self {
        Self::with_addresses(limit, MAX_ADDRESSES)
    }

    /// The same, made for this many addresses at a time. A connection of a further address may not be counted.
    pub fn with_addresses(limit: u32, addresses: usize) -> Self {
        Self {
            limit,
            hasher: KeyHasher::default(),
            open: KeyTable::new(addresses),
            refused: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
        }
    }

    /// Counts one more connection of `peer`, unless it has too many.
    pub fn try_acquire(self: &Arc<Self>, peer: IpAddr) -> Option<OpenConnection> {
        let key = self.hasher.address_key(peer);
        let one_more = |open: u32| (open < self.limit).then_some(open + 1);
        let taken = self.open.with_state(
            key,
            |open| open.load(Relaxed) == 0,
            |open| open.fetch_update(Relaxed, Relaxed, one_more).is_ok(),
            |open, taken| {
                if *taken {
                    open.fetch_sub(1, Relaxed);
                }
            },
        );
        match taken {
            Some((slot, true)) => Some(OpenConnection { limit: Arc::clone(self), slot: Some(slot) }),
            Some((_, false)) => {
                self.refused.fetch_add(1, Relaxed);
                None
            }
            // More addresses are connected than the table has slots. The limit on all connections still holds.
            None => {
                self.overflows.fetch_add(1, Relaxed);
                Some(OpenConnection { limit: Arc::clone(self), slot: None })
            }
        }
    }

    /// The limit per address.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.open.bytes()
    }

    /// How many connections were not counted, because the table was full.
    pub fn overflows(&self) -> u64 {
        self.overflows.load(Relaxed)
    }

    /// How many connections were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        // A count above 0 is not idle, so nobody else has got the slot.
        if let Some(slot) = self.slot {
            self.limit.open.state(slot).fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_at_a_time() {
        let limit = Arc::new(ConnectionLimit::with_addresses(2, 64));
        let connect = |peer: &str| limit.try_acquire(peer.parse().unwrap());
        let (first, second) = (connect("192.0.2.1").unwrap(), connect("192.0.2.1").unwrap());
        assert!(connect("192.0.2.1").is_none() && connect("192.0.2.2").is_some());
        drop(first);
        assert!(connect("192.0.2.1").is_some());
        drop(second);
        let network: Vec<_> = ["2001:db8::1", "2001:db8::2"].map(connect).into_iter().flatten().collect();
        assert!(network.len() == 2 && connect("2001:db8::3").is_none());
        assert_eq!(limit.refused(), 2);
    }

    #[test]
    fn threads_never_exceed_the_limit_and_nothing_stays_counted() {
        // More addresses than slots, so that slots change hands.
        let limit = Arc::new(ConnectionLimit::with_addresses(1, 8));
        let addresses: [IpAddr; 40] =
            std::array::from_fn(|host| IpAddr::from([192, 0, 2, u8::try_from(host).unwrap()]));
        let held = [const { AtomicU32::new(0) }; 40];
        std::thread::scope(|scope| {
            for thread in 0..4_usize {
                let (limit, held) = (&limit, &held);
                scope.spawn(move || {
                    for round in 0..20_000 {
                        let host = (round * 7 + thread * 11) % addresses.len();
                        let Some(permit) = limit.try_acquire(addresses[host]) else { continue };
                        if permit.slot.is_some() {
                            assert_eq!(held[host].fetch_add(1, Relaxed), 0, "two connections of one address");
                            held[host].fetch_sub(1, Relaxed);
                        }
                    }
                });
            }
        });
        let permits = addresses.iter().filter_map(|address| limit.try_acquire(*address));
        assert_eq!(permits.count(), 40, "an address is still charged");
    }
}
