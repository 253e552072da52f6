//! The laws of the table, with time passed in.

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

/// How many clients are remembered, expired ones included.
fn len(table: &StickTable) -> usize {
    table.shards.iter().map(|shard| lock(shard).len()).sum()
}

#[test]
fn a_client_is_found_until_it_has_been_away_too_long() {
    // Seconds at which the client comes, and whether it is found.
    for visits in [
        &[(0, false), (59, true)][..],
        &[(0, false), (60, false)],
        &[(0, false), (59, true), (118, true), (177, true)],
        &[(0, false), (30, true), (90, false), (91, true)],
    ] {
        let (table, start) = (StickTable::new(1_000, DEFAULT_EXPIRE), now());
        for &(second, is_found) in visits {
            let at = start + Duration::from_secs(second);
            let found = table.lookup(client(1), at);
            assert_eq!(found, is_found.then_some(backend(2)), "{visits:?} at {second}");
            table.update(client(1), found, backend(2), at);
        }
    }
}

#[test]
fn ipv6_counts_by_its_network_and_ipv4_by_its_address() {
    for (one, other, are_one) in [
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
        assert_eq!(table.lookup(other.parse().unwrap(), start).is_some(), are_one, "{one} {other}");
    }
}

#[test]
fn a_place_is_changed_by_who_knows_it_and_kept_against_who_does_not() {
    let (table, start) = (StickTable::new(1_000, DEFAULT_EXPIRE), now());
    let one = client(1);
    for (before, wanted, settled, reason) in [
        (None, 1, 1, "nobody was there"),
        (None, 2, 1, "another first request was quicker"),
        (Some(1), 2, 2, "its backend is down"),
        (Some(1), 3, 2, "another request has found that out before"),
        (Some(2), 2, 2, "nothing changes"),
    ] {
        assert_eq!(table.update(one, before.map(backend), backend(wanted), start), backend(settled), "{reason}");
        assert_eq!(table.lookup(one, start), Some(backend(settled)), "{reason}");
    }
    let later = start + DEFAULT_EXPIRE;
    assert_eq!(table.update(one, None, backend(7), later), backend(7), "what is over binds nobody");
}

#[test]
fn those_whose_time_is_over_are_swept_away() {
    let (table, start) = (StickTable::new(64_000, DEFAULT_EXPIRE), now());
    for number in 0..10_000 {
        table.update(client(number), None, backend(0), start);
    }
    assert_eq!(len(&table), 10_000);
    for number in 10_000..20_000 {
        table.update(client(number), None, backend(0), start + DEFAULT_EXPIRE);
    }
    // Shards are not filled evenly, so a few may be left over.
    assert!(len(&table) < 11_000, "{}", len(&table));
}

#[test]
fn threads_that_settle_a_client_together_agree() {
    let (table, start) = (StickTable::new(1_000, DEFAULT_EXPIRE), now());
    for number in 0..200 {
        let settle = |slot| {
            let table = &table;
            move || table.update(client(number), None, backend(slot), start)
        };
        let places: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|slot| scope.spawn(settle(slot))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
    }
}

/// A client, and how many seconds after the last one it comes.
fn visits() -> impl Strategy<Value = Vec<(u32, u64)>> {
    prop::collection::vec((0..200_u32, prop_oneof![8 => 0..2_u64, 1 => 20..100_u64]), 1..2_000)
}

proptest! {
    #[test]
    fn it_is_bounded_forgets_in_time_and_keeps_who_came_last(visits in visits(), entries in 64..300_usize) {
        let (table, mut at) = (StickTable::new(entries, DEFAULT_EXPIRE), now());
        let mut last = HashMap::new();
        for (sequence, (number, seconds)) in visits.into_iter().enumerate() {
            at += Duration::from_secs(seconds);
            let found = table.lookup(client(number), at);
            if let Some(found) = found {
                let (place, used) = last[&number];
                prop_assert_eq!(found, place, "where it was last");
                prop_assert!(at - used < DEFAULT_EXPIRE, "an entry outlives its time");
            }
            let place = backend(u16::try_from(sequence % 5).unwrap());
            prop_assert_eq!(table.update(client(number), found, place, at), place);
            last.insert(number, (place, at));
            prop_assert!(len(&table) <= entries, "{} of {entries}", len(&table));
            prop_assert_eq!(table.lookup(client(number), at), Some(place), "who came last is remembered");
        }
    }

    /// In one shard: the order is that of use, not that of arrival.
    #[test]
    fn who_was_away_longest_is_forgotten_first(visits in prop::collection::vec(0..2_000_u32, 1..3_000)) {
        let (table, start) = (StickTable::new(10 * SHARDS, DEFAULT_EXPIRE), now());
        let shard_of = |number| std::ptr::from_ref(&*table.shard(client(number))) as usize;
        let home = shard_of(visits[0]);
        let mut order: Vec<u32> = Vec::new();
        for number in visits.into_iter().filter(|number| shard_of(*number) == home) {
            let found = table.lookup(client(number), start);
            prop_assert_eq!(found.is_some(), order.iter().rev().take(10).any(|known| *known == number));
            table.update(client(number), found, backend(0), start);
            order.retain(|known| *known != number);
            order.push(number);
        }
    }
}
