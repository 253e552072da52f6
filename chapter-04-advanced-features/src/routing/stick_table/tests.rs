//! Tests of the stick table, with time passed in.

use std::{collections::HashMap, net::Ipv4Addr};

use common::clock::now;
use proptest::prelude::*;

use super::*;

const DEFAULT_EXPIRE: Duration = Duration::from_mins(1);

fn backend(slot: u16) -> BackendId {
    BackendId { slot, generation: 0 }
}

fn client(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(number).into()
}

/// The number of entries, expired ones included.
fn len(table: &StickTable) -> usize {
    table.shards.iter().map(|shard| lock(shard).len()).sum()
}

#[test]
fn an_entry_expires_after_the_idle_time() {
    // Seconds at which the client sends a request, and whether it is found.
    for requests in [
        &[(0, false), (59, true)][..],
        &[(0, false), (60, false)],
        &[(0, false), (59, true), (118, true), (177, true)],
        &[(0, false), (30, true), (90, false), (91, true)],
    ] {
        let (table, start) = (StickTable::new(1_000, DEFAULT_EXPIRE), now());
        for &(second, is_found) in requests {
            let at = start + Duration::from_secs(second);
            let found = table.lookup(client(1), at);
            assert_eq!(found, is_found.then_some(backend(2)), "{requests:?} at {second}");
            table.update(client(1), found, backend(2), at);
        }
    }
}

#[test]
fn ipv6_is_keyed_by_network_and_ipv4_by_address() {
    for (one, other, same_client) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ("::1", "0.0.0.0", false),
    ] {
        let (table, start) = (StickTable::new(1_000, DEFAULT_EXPIRE), now());
        table.update(one.parse().unwrap(), None, backend(1), start);
        assert_eq!(table.lookup(other.parse().unwrap(), start).is_some(), same_client, "{one} {other}");
    }
}

#[test]
fn update_replaces_only_the_backend_that_was_looked_up() {
    let (table, start) = (StickTable::new(1_000, DEFAULT_EXPIRE), now());
    let one = client(1);
    for (previous, picked, stored, reason) in [
        (None, 1, 1, "there was no entry"),
        (None, 2, 1, "another first request was faster"),
        (Some(1), 2, 2, "its backend is down"),
        (Some(1), 3, 2, "another request has replaced it already"),
        (Some(2), 2, 2, "nothing changes"),
    ] {
        assert_eq!(table.update(one, previous.map(backend), backend(picked), start), backend(stored), "{reason}");
        assert_eq!(table.lookup(one, start), Some(backend(stored)), "{reason}");
    }
    let later = start + DEFAULT_EXPIRE;
    assert_eq!(table.update(one, None, backend(7), later), backend(7), "an expired entry is ignored");
}

#[test]
fn updates_remove_expired_entries() {
    let (table, start) = (StickTable::new(64_000, DEFAULT_EXPIRE), now());
    for number in 0..10_000 {
        table.update(client(number), None, backend(0), start);
    }
    assert_eq!(len(&table), 10_000);
    for number in 10_000..20_000 {
        table.update(client(number), None, backend(0), start + DEFAULT_EXPIRE);
    }
    // Shards are not filled evenly, so a few may remain.
    assert!(len(&table) < 11_000, "{}", len(&table));
}

#[test]
fn concurrent_updates_of_a_client_agree() {
    let (table, start) = (StickTable::new(1_000, DEFAULT_EXPIRE), now());
    for number in 0..200 {
        let update = |slot| {
            let table = &table;
            move || table.update(client(number), None, backend(slot), start)
        };
        let backends: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|slot| scope.spawn(update(slot))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(backends.iter().all(|chosen| *chosen == backends[0]), "{backends:?}");
    }
}

/// Requests: a client, and the seconds since the previous request.
fn requests() -> impl Strategy<Value = Vec<(u32, u64)>> {
    prop::collection::vec((0..200_u32, prop_oneof![8 => 0..2_u64, 1 => 20..100_u64]), 1..2_000)
}

proptest! {
    #[test]
    fn is_bounded_expires_entries_and_keeps_the_latest(requests in requests(), entries in 64..300_usize) {
        let (table, mut at) = (StickTable::new(entries, DEFAULT_EXPIRE), now());
        let mut last = HashMap::new();
        for (sequence, (number, seconds)) in requests.into_iter().enumerate() {
            at += Duration::from_secs(seconds);
            let found = table.lookup(client(number), at);
            if let Some(found) = found {
                let (chosen, used) = last[&number];
                prop_assert_eq!(found, chosen, "the backend of its last request");
                prop_assert!(at - used < DEFAULT_EXPIRE, "an entry outlives its expiry");
            }
            let chosen = backend(u16::try_from(sequence % 5).unwrap());
            prop_assert_eq!(table.update(client(number), found, chosen, at), chosen);
            last.insert(number, (chosen, at));
            prop_assert!(len(&table) <= entries, "{} of {entries}", len(&table));
            prop_assert_eq!(table.lookup(client(number), at), Some(chosen), "the latest client is found");
        }
    }

    /// In one shard: eviction is by last use, not by insertion.
    #[test]
    fn the_least_recently_used_entry_is_evicted_first(requests in prop::collection::vec(0..2_000_u32, 1..3_000)) {
        let (table, start) = (StickTable::new(10 * SHARDS, DEFAULT_EXPIRE), now());
        let shard_of = |number| std::ptr::from_ref(&*table.shard(client(number))) as usize;
        let shard = shard_of(requests[0]);
        let mut order: Vec<u32> = Vec::new();
        for number in requests.into_iter().filter(|number| shard_of(*number) == shard) {
            let found = table.lookup(client(number), start);
            prop_assert_eq!(found.is_some(), order.iter().rev().take(10).any(|known| *known == number));
            table.update(client(number), found, backend(0), start);
            order.retain(|known| *known != number);
            order.push(number);
        }
    }
}
